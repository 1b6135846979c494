"""`vangram verify`: every comparison is made, holds, and fails where something is wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Outcome
from vangram.kernels import winograd
from vangram.kernels.jit import has_kernels
from vangram.networks import FeatureNetwork, load_network, tiles
from vangram.reports.verify import verify
from vangram.settings.recipe import Recipe

SIZE = (150, 200)


def failing(network: FeatureNetwork) -> list[str]:
    return [check.name for check in verify(network, Recipe(), SIZE, 64) if not check.holds]


def test_command_prints_every_comparison_and_a_verdict(command: Callable[..., Outcome]) -> None:
    outcome = command("verify", "--size", 160, "--tile", 64)
    assert outcome.code == 0, outcome.out
    for words in ("autograd", "tiled", "Winograd", "resumed", "all hold"):
        assert words in outcome.out
    assert "used by no layer" not in outcome.out


@pytest.mark.parametrize("style_loss", ["gram+moments", "wasserstein"])
def test_comparisons_hold_with_every_style_loss(
    command: Callable[..., Outcome], style_loss: str
) -> None:
    outcome = command("verify", "--size", 160, "--tile", 64, "--style-loss", style_loss)
    assert outcome.code == 0, outcome.out


def test_check_says_where_nothing_is_compared(lite: FeatureNetwork) -> None:
    first = {"relu1_1": 1.0}  # a convolution of three channels, too few for Winograd
    recipe = Recipe(content_layers=first, style_layers=first)
    names = [check.name for check in verify(lite, recipe, SIZE, 64)]
    assert any("used by no layer" in name for name in names)


def test_command_refuses_a_size_without_room(command: Callable[..., Outcome]) -> None:
    outcome = command("verify", "--size", 20)
    assert outcome.code == 2
    assert len(outcome.err.splitlines()) == 1


def test_halo_too_short_is_found(lite: FeatureNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "halo", lambda topology, layers: 16)
    assert "tiled against whole, float64" in failing(lite)


def test_wrong_winograd_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_kernels(load_network("vgg19-lite").mean):
        pytest.skip("no compiler here, so Winograd is not used")
    wrong = (*winograd.G[:3], (1 / 24, 1 / 12, 1 / 6 + 1e-3), *winograd.G[4:])
    monkeypatch.setattr(winograd, "G", wrong)
    found = failing(load_network("vgg19-lite"))
    assert "Winograd's features against plain, float32" in found


def test_command_has_exit_code_1_where_one_is_too_large(
    command: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vangram.reports.verify.EXACT", 0.0)
    outcome = command("verify", "--size", 160, "--tile", 64)
    assert outcome.code == 1
    assert "TOO LARGE" in outcome.out
