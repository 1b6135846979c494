"""Sizes keep their proportions, resampling keeps what a picture shows."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from tests.support import banded, rounding
from vangram.errors import ShapeError, SizeError
from vangram.images import fit, resize
from vangram.storage.tensors import row_bands

SIDE = st.integers(1, 40)
EXACT = rounding(4 * 40, layers=2, condition=40)
"""Sums of up to 160 products, along two axes; weights are of the distance of positions up to 40."""


@pytest.mark.parametrize(
    ("size", "longer", "expected"),
    [
        ((480, 640), 320, (240, 320)),
        ((640, 480), 320, (320, 240)),
        ((480, 640), 1280, (960, 1280)),
        ((100, 100), 7, (7, 7)),
        ((3, 2), 3, (3, 2)),
        ((10, 4), 5, (5, 2)),
        ((10, 5), 5, (5, 3)),  # a half goes up
        ((5000, 2), 10, (10, 1)),  # 0.004 would be no picture
    ],
)
def test_fit_gives_the_size(size: tuple[int, int], longer: int, expected: tuple[int, int]) -> None:
    assert fit(size, longer) == expected


@given(st.tuples(st.integers(1, 10**5), st.integers(1, 10**5)), st.integers(1, 10**5))
def test_fit_keeps_proportions_to_half_a_pixel(size: tuple[int, int], longer: int) -> None:
    height, width = fit(size, longer)
    assert max(height, width) == longer
    assert min(height, width) >= 1
    shorter = min(size) * longer / max(size)
    assert min(height, width) == 1 or abs(min(height, width) - shorter) <= 0.5
    assert fit(size, max(size)) == size


def test_fit_enlarges_only_if_asked() -> None:
    assert fit((30, 40), 80, enlarge=False) == (30, 40)
    assert fit((30, 40), 20, enlarge=False) == (15, 20)


@pytest.mark.parametrize(("size", "longer"), [((0, 5), 5), ((5, 5), 0), ((5, -1), 5)])
def test_fit_refuses_what_is_no_size(size: tuple[int, int], longer: int) -> None:
    with pytest.raises(SizeError, match="at least 1"):
        fit(size, longer)


def test_resize_to_the_same_size_is_the_same_tensor() -> None:
    pixels = torch.rand(1, 3, 5, 7)
    assert resize(pixels, (5, 7)) is pixels


@given(SIDE, SIDE, SIDE, SIDE, st.floats(-3, 3, width=32))
@settings(max_examples=40)
def test_resize_keeps_a_constant_picture(
    height: int, width: int, new_height: int, new_width: int, value: float
) -> None:
    resized = resize(torch.full((1, 2, height, width), value), (new_height, new_width))
    # Exact, since the result is clamped to a range of one value.
    assert torch.equal(resized, torch.full((1, 2, new_height, new_width), value))


@given(SIDE, SIDE, SIDE, SIDE)
@settings(max_examples=40)
def test_resize_stays_in_range_and_contiguous(
    height: int, width: int, new_height: int, new_width: int
) -> None:
    pixels = torch.rand(2, 3, height, width, dtype=torch.float64).round()
    channels_last = pixels.contiguous(memory_format=torch.channels_last)
    resized = resize(channels_last, (new_height, new_width))
    assert resized.shape == (2, 3, new_height, new_width)
    assert resized.dtype == torch.float64
    assert resized.is_contiguous() or (new_height, new_width) == (height, width)
    assert resized.min() >= pixels.min()
    assert resized.max() <= pixels.max()


def test_resize_of_a_step_overshoots_without_the_clamp() -> None:
    # The companion of the test above: its range is no matter of course.
    step = torch.zeros(1, 1, 8, 8)
    step[..., 4:] = 1
    plain = torch.nn.functional.interpolate(step, size=(16, 16), mode="bicubic", antialias=True)
    assert plain.min() < -0.01
    assert plain.max() > 1.01


@pytest.mark.parametrize("size", [(16, 12), (33, 47), (128, 96)])
def test_resize_keeps_the_mean(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = 0.25 + 0.5 * torch.rand(1, 3, 64, 48, generator=generator)
    means = resize(pixels, size).mean((2, 3)) - pixels.mean((2, 3))
    # Pixels at the edges count a little more or less: measured up to 0.15 levels of 255.
    assert float(means.abs().max()) < 0.4 / 255


def test_resize_filters_before_it_reduces() -> None:
    # Stripes finer than the small picture's pixels become grey; picking pixels would keep them.
    stripes = (torch.arange(64) % 2).to(torch.float32).expand(1, 1, 64, 64)
    reduced = resize(stripes, (16, 16))[..., 2:-2, 2:-2]
    assert torch.allclose(reduced, torch.full_like(reduced, 0.5), atol=0.02)


def test_resize_gives_the_same_twice_and_float32_agrees_with_float64() -> None:
    pixels = torch.rand(1, 3, 40, 30, dtype=torch.float64)
    first = resize(pixels, (17, 51))
    assert torch.equal(first, resize(pixels, (17, 51)))
    allowed = rounding(10, layers=2, dtype=torch.float32, condition=40)  # as `EXACT`
    assert torch.allclose(resize(pixels.float(), (17, 51)).double(), first, rtol=0, atol=allowed)


def test_resize_does_not_shift_the_picture() -> None:
    # A ramp stays the same ramp at pixel centres, away from the edges.
    ramp = ((torch.arange(32, dtype=torch.float64) + 0.5) / 32).expand(1, 1, 32, 32)
    resized = resize(ramp, (64, 64))
    expected = ((torch.arange(64, dtype=torch.float64) + 0.5) / 64).expand(1, 1, 64, 64)
    assert torch.allclose(resized[..., 8:-8], expected[..., 8:-8], atol=EXACT)


@pytest.mark.parametrize(
    "pixels",
    [torch.zeros(3, 4, 5), torch.zeros(1, 3, 0, 5), torch.zeros(1, 3, 4, 5, dtype=torch.uint8)],
)
def test_resize_refuses_what_is_no_picture(pixels: Tensor) -> None:
    with pytest.raises(ShapeError):
        resize(pixels, (4, 4))


def test_resize_refuses_what_is_no_size() -> None:
    with pytest.raises(SizeError):
        resize(torch.zeros(1, 3, 4, 5), (0, 4))


@given(SIDE, SIDE, SIDE, SIDE, st.integers(1, 200))
@settings(max_examples=60)
def test_resize_is_torchs_bicubic_in_bands_of_any_size(
    height: int, width: int, new_height: int, new_width: int, band: int
) -> None:
    assume(new_width > 1)  # for one column torch 2.13 gives the first row again and again
    pixels = torch.rand(1, 3, height, width, dtype=torch.float64)
    size = (new_height, new_width)
    wanted = functional.interpolate(pixels, size=size, mode="bicubic", antialias=True)
    with banded(band):
        resized = resize(pixels, size)
    # torch clamps nothing.
    assert (resized - wanted.clamp(pixels.min(), pixels.max())).abs().max() < EXACT


def test_resize_in_bands_writes_into_the_given_tensor() -> None:
    pixels, into = torch.rand(1, 3, 10, 10), torch.empty(1, 3, 30, 20)
    with banded(3 * 20 * 4):
        assert resize(pixels, (30, 20), into=into) is into
        assert len(list(row_bands(into))) == 8  # of four rows
        assert torch.equal(into, resize(pixels, (30, 20)))


@given(SIDE, SIDE, SIDE, SIDE)
@settings(max_examples=60)
def test_resize_of_a_turned_picture_is_the_turned_result(
    height: int, width: int, new_height: int, new_width: int
) -> None:
    pixels = torch.rand(1, 3, height, width, dtype=torch.float64)
    turned = resize(pixels.mT.contiguous(), (new_width, new_height)).mT
    assert (resize(pixels, (new_height, new_width)) - turned).abs().max() < EXACT
