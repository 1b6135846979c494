"""Histograms: after matching, a picture's quantiles are the other's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.support import banded, batched, rounding
from vangram.images import Histogram, match_histogram
from vangram.images.histogram import BINS
from vangram.storage.tensors import row_bands


def noise(seed: int, power: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, 60, 50, generator=generator, dtype=torch.float64) ** power


def matched(given: Tensor, wanted: Tensor) -> Tensor:
    return match_histogram(given, Histogram.of(given), Histogram.of(wanted))


def quantiles(pixels: Tensor) -> Tensor:
    shares = torch.linspace(0, 1, 21).double()
    return torch.quantile(pixels[0].flatten(1), shares, dim=1)


def test_matched_quantiles_are_the_photographs() -> None:
    given, wanted = noise(1), 0.2 + 0.7 * noise(2, power=3)
    # A bin, and of 3000 values the next one: they are sparsest at the upper end.
    allowed = 1 / BINS + 3e-3
    assert (quantiles(matched(given, wanted)) - quantiles(wanted)).abs().max() < allowed
    assert (quantiles(given) - quantiles(wanted)).abs().max() > 30 * allowed


@pytest.mark.parametrize(
    "picture",
    [
        noise(1),
        batched(20, 30, seed=1),  # levels of 255
        (batched(20, 30, seed=1) * 255).round() / 128,  # which may lie on the edges of bins
        torch.full((1, 3, 4, 5), 0.3).double(),
    ],
)
def test_picture_matched_to_itself_is_unchanged(picture: Tensor) -> None:
    assert (matched(picture, picture) - picture).abs().max() < rounding(3000, condition=BINS)


@pytest.mark.parametrize("given", [0.3, 0.0, 1.0])
def test_even_picture_takes_the_median(given: float) -> None:
    wanted = noise(2, power=3)
    got = matched(torch.full((1, 3, 4, 5), given).double(), wanted)
    middle = wanted[0].flatten(1).median(dim=1).values.view(1, 3, 1, 1)
    assert (got - middle).abs().max() < 1 / BINS + 1e-3  # and the next of 3000 values


def test_every_picture_takes_the_only_value_of_an_even_one() -> None:
    wanted = torch.full((1, 3, 4, 5), 0.3, dtype=torch.float64)
    assert (matched(noise(1), wanted) - 0.3).abs().max() == 0


def test_matching_keeps_order_and_ties() -> None:
    given = (noise(1) * 8).floor() / 8
    got = matched(given, noise(2, power=3))
    for channel in range(3):
        values = sorted(set(given[0, channel].flatten().tolist()))
        groups = [got[0, channel][given[0, channel] == value] for value in values]
        assert all(float(group.max() - group.min()) == 0 for group in groups)
        firsts = torch.stack([group[0] for group in groups])
        assert (firsts.diff() > 0).all()


def test_histogram_counts_pixels_by_their_alpha() -> None:
    pixels, other = noise(1), noise(2)
    pixels[..., 25:] = pixels[..., 25:] ** 4
    alpha = torch.zeros(1, 1, 60, 50)
    alpha[..., :25] = 1
    by_alpha = match_histogram(other, Histogram.of(other), Histogram.of(pixels, alpha))
    middle = by_alpha[0].flatten(1).median(dim=1).values
    # Of 1500 values, their median is within 4 of its deviations of 0.5 / sqrt(1500).
    assert (middle - pixels[0, :, :, :25].flatten(1).median(dim=1).values).abs().max() < 0.05
    assert (middle - pixels[0].flatten(1).median(dim=1).values).abs().min() > 0.1


def test_matching_in_bands_and_in_place_is_the_same() -> None:
    given, wanted = noise(1), noise(2, power=3)
    at_once = matched(given, wanted)
    with banded(3 * 50 * 7):
        ours, theirs = Histogram.of(given), Histogram.of(wanted)
        assert len(list(row_bands(wanted))) == 9
        assert match_histogram(given, ours, theirs, into=given) is given
    assert torch.equal(given, at_once)
