"""The recipe: defaults, what it refuses and in which words, and its text."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from vangram.errors import RecipeError, SettingError
from vangram.settings.fields import settings_of
from vangram.settings.recipe import LARGEST_SIZE, Recipe
from vangram.settings.text import format_layers, parse_layers

names = st.sampled_from([f"relu{b}_{i}" for b in range(1, 6) for i in range(1, 5)])
weights = st.floats(0, 1e12, allow_nan=False)
positive = st.floats(1e-12, 1e12, allow_nan=False)
layers = st.dictionaries(names, positive, min_size=1, max_size=6)

recipes = st.builds(
    Recipe,
    size=st.integers(2, LARGEST_SIZE),
    network=st.text(min_size=1),
    content_layers=layers,
    style_layers=layers,
    content_weight=positive,
    style_weight=weights,
    tv_weight=weights,
    units=st.sampled_from(["relative", "paper"]),
    style_loss=st.sampled_from(["gram", "gram+moments", "wasserstein"]),
    init=st.sampled_from(["content", "noise", "picture"]),
    seed=st.integers(0, 2**63 - 1),
    colour=st.sampled_from(["style", "luminance", "match", "histogram"]),
    optimizer=st.sampled_from(["lbfgs", "adam"]),
    steps=st.integers(1, 1_000_000),
    levels=st.none() | st.integers(1, 16),
    device=st.text(min_size=1),
)


def bad_values() -> list[tuple[str, object]]:
    bad: list[tuple[str, object]] = [
        *[("size", value) for value in (0, 1, -5, LARGEST_SIZE + 1, 512.0, "512", None, True)],
        *[("steps", value) for value in (0, -1, 1_000_001, 1.5, "9", None, True)],
        *[("seed", value) for value in (-1, 2**63, 0.5, "0", None, False)],
        *[("levels", value) for value in (0, 17, 2.0, "2", True)],
        *[("units", value) for value in ("metric", "", None, 1, ["paper"])],
        *[("init", value) for value in ("photo", "", None)],
        *[("colour", value) for value in ("sepia", "", None, True)],
        *[("optimizer", value) for value in ("sgd", "LBFGS", None)],
        *[("style_loss", value) for value in ("Gram", "moments", "", None, ["gram"])],
        *[("network", value) for value in ("", None, 19)],
        *[("device", value) for value in ("", None, 0)],
    ]
    for name in ("content_weight", "style_weight", "tv_weight"):
        bad += [(name, v) for v in (-1, -1e-9, math.nan, math.inf, "1", None, True, [1], 10**400)]
    for name in ("content_layers", "style_layers"):
        bad += [(name, value) for value in (None, "relu1_1=x", ["relu1_1"], 1)]
        bad += [(name, {"relu1_1": value}) for value in (-1, math.nan, math.inf, "1", None, True)]
    return bad


@pytest.mark.parametrize(("name", "value"), bad_values(), ids=lambda value: repr(value)[:24])
def test_bad_value_is_refused_in_one_line_that_names_the_setting(name: str, value: object) -> None:
    settings: dict[str, Any] = {name: value}
    with pytest.raises(SettingError) as caught:
        Recipe(**settings)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"content_weight": 0, "style_weight": 0},
        {"content_layers": {}, "style_layers": {}},
        {"content_weight": 0, "style_layers": {}},
        {"content_layers": {"relu1_1": 0}, "style_weight": 0},
    ],
)
def test_recipe_that_asks_for_nothing_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="nothing is asked for"):
        Recipe(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"size": 2},
        {"size": LARGEST_SIZE},
        {"seed": 2**63 - 1},
        {"levels": None},
        {"levels": 16},
        {"content_weight": 0},
        {"style_weight": 0},
        {"content_layers": {}},
        {"tv_weight": 3},
    ],
)
def test_extreme_values_in_range_are_accepted(settings: dict[str, Any]) -> None:
    recipe = Recipe(**settings)
    for name, value in settings.items():
        assert getattr(recipe, name) == value


def test_weights_become_floats() -> None:
    recipe = Recipe(content_weight=2, style_layers={"relu1_1": 3})
    assert type(recipe.content_weight) is float
    assert type(recipe.style_layers["relu1_1"]) is float


def test_layers_are_sorted_and_those_of_zero_weight_left_out() -> None:
    recipe = Recipe(style_layers={"relu3_1": 1, "relu1_1": 2, "relu2_1": 0})
    assert list(recipe.style_layers) == ["relu1_1", "relu3_1"]
    assert recipe.layers == ("relu1_1", "relu3_1", "relu4_2")


def test_layers_needed_are_those_of_terms_with_weight() -> None:
    assert Recipe(style_weight=0).layers == ("relu4_2",)
    assert Recipe(content_weight=0, style_layers={"relu2_1": 1}).layers == ("relu2_1",)


def test_order_of_layers_makes_no_difference() -> None:
    one = Recipe(style_layers={"relu1_1": 1, "relu2_1": 2})
    other = Recipe(style_layers={"relu2_1": 2, "relu1_1": 1})
    assert json.dumps(one.to_dict()) == json.dumps(other.to_dict())


def test_recipe_keeps_its_own_layers() -> None:
    given_layers = {"relu1_1": 1.0}
    recipe = Recipe(style_layers=given_layers)
    given_layers["relu2_1"] = 1.0
    recipe.to_dict()["style_layers"]["relu3_1"] = 1.0
    assert list(recipe.style_layers) == ["relu1_1"]


def test_recipe_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Recipe().size = 3  # type: ignore[misc]


@given(recipes)
def test_recipe_survives_json_exactly(recipe: Recipe) -> None:
    again = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())))
    assert again == recipe
    for name in settings_of(Recipe):
        one, other = getattr(recipe, name), getattr(again, name)
        assert type(one) is type(other)


def test_settings_left_out_take_their_defaults() -> None:
    assert Recipe.from_dict({}) == Recipe()
    assert Recipe.from_dict({"size": 64}) == Recipe(size=64)


def test_unknown_setting_is_refused_with_those_known() -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.from_dict({"size": 64, "hue": 1})
    assert "'hue'" in str(caught.value)
    assert "style_weight" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("relu1_1", {"relu1_1": 1.0}),
        ("relu1_1,relu2_1", {"relu1_1": 0.5, "relu2_1": 0.5}),
        ("relu1_1=3,relu2_1,relu3_1", {"relu1_1": 3.0, "relu2_1": 0.5, "relu3_1": 0.5}),
        (" relu1_1 = 0.5 , relu2_1=2,", {"relu1_1": 0.5, "relu2_1": 2.0}),
        ("relu1_1=1e-3", {"relu1_1": 0.001}),
        ("", {}),
    ],
)
def test_layers_are_parsed_as_people_write_them(text: str, wanted: dict[str, float]) -> None:
    assert parse_layers(text) == wanted


@given(layers)
def test_format_layers_is_the_inverse_of_parse_layers(given_layers: dict[str, float]) -> None:
    assert parse_layers(format_layers(given_layers)) == given_layers


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("relu1_1=much", "'relu1_1=much'"),
        ("relu1_1=1=2", "'relu1_1=1=2'"),
        ("relu1_1,relu2_1,relu1_1", "'relu1_1' is named twice"),
        ("relu1_1 = 1, relu1_1=2", "'relu1_1' is named twice"),
    ],
)
def test_layers_that_make_no_sense_are_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse_layers(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
