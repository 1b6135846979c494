"""Presets and the strength: nothing but recipes."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from tests.support import drawn
from vangram.errors import SettingError
from vangram.run import Run
from vangram.settings.presets import PRESETS, preset
from vangram.settings.recipe import STRENGTHS, Recipe


def test_preset_balanced_is_the_default() -> None:
    assert preset("balanced") == Recipe()


def test_presets_are_recipes_that_differ() -> None:
    recipes = [preset(name) for name in PRESETS]
    assert len({str(recipe) for recipe in recipes}) == len(recipes) == 4


def test_presets_grow_in_style() -> None:
    weights = [preset(name).style_weight for name in ("sketch", "balanced", "bold", "abstract")]
    assert weights == sorted(weights)
    assert preset("sketch").steps < preset("balanced").steps


def test_preset_of_no_such_name_names_them_all() -> None:
    with pytest.raises(SettingError, match="sketch, balanced, bold, abstract"):
        preset("baroque")


def test_strength_of_one_changes_nothing() -> None:
    assert preset("bold").strengthened(1.0) == preset("bold")


def test_strength_changes_the_style_weight_alone_by_equal_factors() -> None:
    weights = []
    for strength in (0.25, 0.5, 1.0, 2.0, 4.0):
        recipe = Recipe().strengthened(strength)
        weights.append(recipe.style_weight)
        assert {**recipe.to_dict(), "style_weight": 40.0} == Recipe().to_dict()
    factors = [after / before for before, after in pairwise(weights)]
    assert factors == pytest.approx([factors[0]] * 4)
    assert factors[0] > 1


def test_strength_lowers_the_style_term_and_raises_the_content_term() -> None:
    photo, painting = drawn(48, 64, 1), drawn(56, 48, 2)
    content, style = [], []
    for strength in (0.1, 0.25, 0.625):  # larger ones differ too little after so few steps
        recipe = Recipe(size=48, steps=30, tolerance=0.0).strengthened(strength)
        for step in Run.prepare(photo, painting, recipe=recipe):
            last = step
        content.append(last.total("content"))
        style.append(last.total("style") / recipe.style_weight)
    # Steps of this size are no matter of rounding.
    assert style[0] > 1.1 * style[1] > 1.21 * style[2]
    assert content[2] > 1.1 * content[1] > 1.21 * content[0]


@pytest.mark.parametrize("strength", [0, -1, math.nan, math.inf, STRENGTHS[1] * 1.01])
def test_strength_out_of_range_is_refused(strength: float) -> None:
    with pytest.raises(SettingError, match=r"0\.1 to 10"):
        Recipe().strengthened(strength)
