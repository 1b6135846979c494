"""Colours from one picture to another: mean and covariance, and the luminance alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.support import banded, batched, rounding
from vangram.images import (
    ColourStatistics,
    luminance_map,
    luminance_matching_map,
    matching_map,
    with_chroma,
)
from vangram.storage.tensors import row_bands

statistics = ColourStatistics.of

OTHERS_OF_YIQ = torch.tensor(
    [[0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]], dtype=torch.float64
)
"""I and Q, whose rows sum to zero (FCC NTSC, 1953)."""
EXACT = rounding(20 * 30, layers=4, condition=1e3)
"""Roots and inverse roots of covariances, whose deviations differ by a thousand at most."""


def chroma(pixels: Tensor) -> Tensor:
    return torch.einsum("ij,bjhw->bihw", OTHERS_OF_YIQ, pixels)


def grey_picture() -> Tensor:
    return batched(12, 10, seed=3).mean(dim=1, keepdim=True).repeat(1, 3, 1, 1)


def even_picture() -> Tensor:
    return torch.tensor([0.2, 0.5, 0.9]).double().view(1, 3, 1, 1).repeat(1, 1, 6, 7)


def nearly_grey_picture() -> Tensor:
    """With colour of less than a level."""
    return grey_picture() + 1e-3 * (batched(12, 10, seed=6) - 0.5)


def error(got: ColourStatistics, wanted: ColourStatistics) -> float:
    return float(
        max((got.mean - wanted.mean).abs().max(), (got.covariance - wanted.covariance).abs().max())
    )


def test_spread_is_torchs_mean_and_covariance_in_bands_of_any_size() -> None:
    pixels = batched(13, 9, seed=1)
    with banded(3 * 9 * 4):
        found, values = statistics(pixels), pixels[0].flatten(1)
    assert (found.mean - values.mean(dim=1)).abs().max() < rounding(13 * 9)
    assert (found.covariance - torch.cov(values, correction=0)).abs().max() < rounding(13 * 9)


def test_spread_counts_pixels_by_their_alpha() -> None:
    pixels = batched(12, 10, seed=1)
    alpha = torch.zeros(1, 1, 12, 10)
    alpha[..., :4] = 1
    assert error(statistics(pixels, alpha), statistics(pixels[..., :4])) < rounding(12 * 10)
    assert error(statistics(pixels, alpha), statistics(pixels)) > 1e-3
    # Of a picture that cannot be seen at all, all pixels.
    assert error(statistics(pixels, torch.zeros_like(alpha)), statistics(pixels)) == 0


def test_match_gives_mean_and_covariance() -> None:
    painting, photograph = batched(20, 30, seed=1), 0.3 + 0.5 * batched(25, 15, seed=2)
    wanted = statistics(photograph)
    matched = matching_map(statistics(painting), wanted)(painting)
    assert error(statistics(matched), wanted) < EXACT
    # What clipping would do to it.
    assert error(statistics(matched.clamp(0.3, 0.7)), wanted) > 1e-3


@pytest.mark.parametrize(
    "picture", [batched(9, 8, seed=4), grey_picture(), nearly_grey_picture(), even_picture()]
)
def test_picture_matched_to_itself_is_unchanged(picture: Tensor) -> None:
    spread = statistics(picture)
    assert (matching_map(spread, spread)(picture) - picture).abs().max() < EXACT
    luminance = luminance_map()(picture)
    assert (luminance_matching_map(spread, spread)(picture) - luminance).abs().max() < EXACT
    assert (with_chroma(picture, picture) - picture).abs().max() < rounding(3)


@pytest.mark.parametrize("given", [batched(9, 8, seed=4), grey_picture(), even_picture()])
@pytest.mark.parametrize("wanted", [batched(9, 8, seed=5), grey_picture(), even_picture()])
def test_maps_of_pictures_without_spread_are_finite(given: Tensor, wanted: Tensor) -> None:
    for make in (matching_map, luminance_matching_map):
        mapped = make(statistics(given), statistics(wanted))(given)
        assert mapped.isfinite().all()
        # A singular covariance amplifies nothing.
        assert mapped.abs().max() < 3
    mapped = matching_map(statistics(given), statistics(wanted))(given)
    assert (statistics(mapped).mean - statistics(wanted).mean).abs().max() < EXACT


def test_noise_below_a_level_becomes_no_colour() -> None:
    noisy = nearly_grey_picture()
    photograph = batched(9, 8, seed=5)
    mapped = matching_map(statistics(noisy), statistics(photograph))(noisy)
    # One axis of colour: what is off it is no more than the noise was.
    assert torch.linalg.eigvalsh(statistics(mapped).covariance)[1] < 1e-6


def test_grey_painting_has_the_photographs_mean_and_deviation() -> None:
    painting, photograph = batched(20, 30, seed=1), 0.5 * batched(25, 15, seed=2)
    wanted = statistics(photograph)
    mapped = luminance_matching_map(statistics(painting), wanted)(painting)
    assert torch.equal(mapped[:, 0], mapped[:, 2])
    assert statistics(mapped).luminance == pytest.approx(wanted.luminance, abs=EXACT)


def test_luminance_transfer_leaves_chroma_as_it_was() -> None:
    photograph = 0.4 + 0.2 * batched(20, 30, seed=1)
    image = 0.3 + 0.4 * batched(20, 30, seed=2)  # so far from black and white all is in gamut
    made = with_chroma(image, photograph)
    assert (chroma(made) - chroma(photograph)).abs().max() < rounding(3, layers=3)
    assert (luminance_map()(made) - luminance_map()(image)).abs().max() < rounding(3, layers=3)
    assert (chroma(made) - chroma(image)).abs().max() > 0.01


def test_luminance_transfer_out_of_gamut_keeps_luminance_and_hue() -> None:
    photograph, image = batched(20, 30, seed=1), batched(20, 30, seed=2).round()
    image[..., :10] = 0.9
    made = with_chroma(image, photograph)
    allowed = rounding(3, layers=3, condition=1e3)  # shares of chroma, a thousandth at least
    assert 0 <= float(made.min()) <= float(made.max()) <= 1
    assert (luminance_map()(made) - luminance_map()(image)).abs().max() < allowed
    ours, theirs = chroma(made)[0], chroma(photograph)[0]
    shares = ours.norm(dim=0) / theirs.norm(dim=0)
    assert float(shares.max()) < 1 + allowed
    assert float((shares < 0.99).float().mean()) > 0.1
    assert (ours - shares * theirs).abs().max() < allowed
    # Clipping, the other way, does neither.
    clipped = (photograph + luminance_map()(image) - luminance_map()(photograph)).clamp(0, 1)
    assert (luminance_map()(clipped) - luminance_map()(image)).abs().max() > 0.01


def test_map_writes_in_place_in_bands_as_at_once() -> None:
    pixels = batched(12, 10, seed=1)
    mapping = matching_map(statistics(pixels), statistics(batched(12, 10, seed=2)))
    wanted = mapping(pixels)
    with banded(3 * 10 * 5):
        assert mapping(pixels, into=pixels) is pixels
        assert len(list(row_bands(pixels))) == 3
    assert (pixels - wanted).abs().max() < rounding(3)  # sums in another order
