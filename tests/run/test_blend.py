"""Several paintings: shares that add up, targets that are mixed, and counts that must agree."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import vangram
from tests.conftest import Outcome
from tests.support import batched, drawn, prepared_level, rounding
from vangram.errors import SettingError
from vangram.images import read_recipe
from vangram.networks import FeatureNetwork
from vangram.objective.targets import blended_moments, style_moments
from vangram.run import Run
from vangram.settings.recipe import Recipe
from vangram.settings.record import Record

Command = Callable[..., Outcome]
LAYERS = {"relu1_1": 0.5, "relu3_1": 0.5}
SMALL: dict[str, Any] = {"size": 64, "steps": 3, "style_layers": LAYERS}
ROUNDING = rounding(9 * 384, layers=13 + 2)
"""Thirteen convolutions with sums over at most 384 channels, and products of features."""


@pytest.fixture
def third(saved: Callable[..., Path]) -> Path:
    return saved("third.png", 40, 60, seed=7)


def test_shares_of_a_layer_add_up_to_one() -> None:
    recipe = Recipe(style_layers=LAYERS, blend=(3, 1))
    first, second = {"relu1_1": 0.75, "relu3_1": 0.75}, {"relu1_1": 0.25, "relu3_1": 0.25}
    assert recipe.shares(2) == (first, second)
    assert Recipe(style_layers=LAYERS).shares(4)[2] == {"relu1_1": 0.25, "relu3_1": 0.25}


def test_shares_of_a_layer_go_to_those_who_give_it() -> None:
    recipe = Recipe(
        each_style_layers=({"relu1_1": 0.4}, {"relu1_1": 0.2, "relu5_1": 1.0}), blend=(3, 1)
    )
    assert recipe.shares(2) == ({"relu1_1": 0.75}, {"relu1_1": 0.25, "relu5_1": 1.0})
    assert recipe.style_layers == pytest.approx({"relu1_1": (3 * 0.4 + 0.2) / 4, "relu5_1": 1.0})
    assert Recipe.from_dict(recipe.to_dict()) == recipe


def test_blended_targets_are_the_mixed_gram_matrices(lite64: FeatureNetwork) -> None:
    one, other = batched(48, 40, seed=2), batched(40, 60, seed=7)
    shares = Recipe(style_layers=LAYERS, blend=(0.7, 0.3)).shares(2)
    found = blended_moments(lite64, [one, other], shares, None)
    first, second = (style_moments(lite64, picture, LAYERS, None) for picture in (one, other))
    for layer, target in found.items():
        wanted = 0.7 * first[layer].products + 0.3 * second[layer].products
        torch.testing.assert_close(target.products, wanted, rtol=ROUNDING, atol=0)
    tiled = blended_moments(lite64, [one, other], shares, 32)
    for layer, target in found.items():
        torch.testing.assert_close(
            tiled[layer].products, target.products, rtol=ROUNDING, atol=ROUNDING
        )


def test_blend_of_one_and_nothing_is_the_first_alone(
    photo: Path, painting: Path, third: Path
) -> None:
    alone = vangram.stylize(photo, painting, **SMALL).pixels
    both = vangram.stylize(photo, painting, third, blend=(1, 0), **SMALL).pixels
    assert torch.equal(alone, both)
    assert not torch.equal(alone, vangram.stylize(photo, painting, third, **SMALL).pixels)


def test_layers_of_one_painting_do_not_depend_on_the_other(
    photo: Path, painting: Path, third: Path, saved: Callable[..., Path]
) -> None:
    each = ({"relu1_1": 1.0}, {"relu3_1": 1.0})
    other = saved("other.png", 50, 50, seed=8)
    one, two = (
        Run.prepare(photo, painting, second, size=64, each_style_layers=each)
        for second in (third, other)
    )
    first, second = (prepared_level(run).objective.style for run in (one, two))
    same = {
        key.layer: torch.equal(term.target.products, second[key].target.products)
        for key, term in first.items()
    }
    assert same == {"relu1_1": True, "relu3_1": False}


def test_style_size_is_the_paintings_beside_the_pictures(photo: Path) -> None:
    wide = drawn(20, 80, seed=2)
    for scale, wanted in ((1.0, (32, 128)), (2.0, (64, 256)), (0.5, (16, 64))):
        run = Run.prepare(photo, wide, size=128, style_size=scale, style_layers=LAYERS)
        assert run.inputs.style_size(run.inputs.pictures.styles[0], run.levels[-1].size) == wanted


@pytest.mark.parametrize(
    "settings",
    [
        {"blend": (1,)},
        {"blend": (1, 2, 3)},
        {"blend": (0, 0)},
        {"blend": (1, float("nan"))},
        {"blend": (1, -1)},
        {"blend": 0.5},
        {"each_style_layers": (LAYERS,)},
        {"each_style_layers": (LAYERS, LAYERS), "blend": (1, 1, 1)},
        {"style_size": 0},
        {"style_size": float("nan")},
        {"style_size": 1000.0},
    ],
)
def test_settings_that_do_not_fit_the_paintings_are_refused(
    photo: Path, painting: Path, third: Path, settings: dict[str, Any]
) -> None:
    with pytest.raises(SettingError) as caught:
        Run.prepare(photo, painting, third, size=64, **settings)
    assert "\n" not in str(caught.value)


def test_command_blends_records_and_makes_again(
    command: Command, photo: Path, painting: Path, third: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.png"
    words = ("--size", 48, "--steps", 2, "-q", "--blend", "0.7,0.3", "--style-size", 1.5)
    layers = ("--style-layers", "relu1_1", "--style-layers", "relu2_1=0.5,relu3_1=0.5")
    outcome = command("stylize", photo, painting, third, "-o", output, *words, *layers)
    assert outcome.code == 0, outcome.err
    text = read_recipe(output)
    assert text is not None
    record = Record.from_json(text)
    assert record.recipe.blend == (0.7, 0.3)
    assert [str(name) for name, _ in record.inputs.named()] == ["content", "style", "style 2"]
    moved = third.rename(tmp_path / "moved.png")
    outcome = command("rerun", output)
    assert outcome.code == 2
    assert "--style" in outcome.err
    outcome = command("rerun", output, "--style", painting, "--style", moved)
    assert outcome.code == 0, outcome.err
    assert "the same bytes" in outcome.err


def test_command_refuses_shares_that_are_no_numbers(
    command: Command, photo: Path, painting: Path, tmp_path: Path
) -> None:
    outcome = command("stylize", photo, painting, "-o", tmp_path / "out.png", "--blend", "half")
    assert outcome.code == 2
    (line,) = outcome.err.splitlines()
    assert "0.7,0.3" in line
