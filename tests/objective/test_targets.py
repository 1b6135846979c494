"""Targets: read tile by tile they are what the whole picture's features are."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.support import batched, relative_error, rounding
from vangram.losses import gram_matrix
from vangram.networks import FeatureNetwork
from vangram.objective.targets import content_targets, style_moments
from vangram.run import Run

LAYERS = ("relu1_1", "relu4_1", "relu5_1")
ROUNDING = rounding(9 * 384, layers=13 + 2)
"""Thirteen convolutions with sums over at most 384 channels, and products of features."""


@pytest.mark.parametrize("tile", [None, 32, 64])
def test_content_targets_are_the_features(lite64: FeatureNetwork, tile: int | None) -> None:
    picture = batched(101, 170, seed=1)
    targets = content_targets(lite64, picture, LAYERS, tile)
    for layer, features in lite64(picture, LAYERS).items():
        assert relative_error(targets[layer], features) < ROUNDING


@pytest.mark.parametrize("tile", [None, 32, 64])
def test_style_targets_are_gram_matrices_per_position(
    lite64: FeatureNetwork, tile: int | None
) -> None:
    picture = batched(101, 170, seed=1)
    targets = style_moments(lite64, picture, LAYERS, tile)
    for layer, features in lite64(picture, LAYERS).items():
        wanted = gram_matrix(features[0]) / features[0, 0].numel()
        assert relative_error(targets[layer].products, wanted) < ROUNDING
        assert targets[layer].sums is None


@pytest.mark.parametrize("tile", [None, 32, 64])
def test_style_targets_have_means_where_they_are_asked_for(
    lite64: FeatureNetwork, tile: int | None
) -> None:
    picture = batched(101, 170, seed=1)
    targets = style_moments(lite64, picture, LAYERS, tile, sums=True)
    for layer, features in lite64(picture, LAYERS).items():
        mean = targets[layer].sums
        assert mean is not None
        assert relative_error(mean, features[0].mean((1, 2))) < ROUNDING


def test_no_layers_give_no_targets(lite64: FeatureNetwork) -> None:
    picture = batched(32, 32, seed=1)
    assert content_targets(lite64, picture, (), None) == {}
    assert style_moments(lite64, picture, (), None) == {}


def test_run_in_tiles_takes_the_same_steps(lite64: FeatureNetwork) -> None:
    """A network in float64: a rounding of its features in float32 grows a thousandfold in 2 steps.

    The image stays float32. One of its roundings, 6e-8, grown as much gives the tolerance.
    """
    content, style = (batched(64, 100, seed)[0].float() for seed in (1, 2))
    steps = {}
    for tile in (None, 48):
        run = Run.prepare(content, style, size=100, steps=3, tile=tile)
        steps[tile] = list(replace(run, network=lite64))
    tolerance = 1000 * torch.finfo(torch.float32).eps / 2
    for whole, tiled in zip(steps[None], steps[48], strict=True):
        assert tiled.loss == pytest.approx(whole.loss, rel=tolerance)
        assert torch.allclose(tiled.image, whole.image, rtol=0, atol=tolerance)
