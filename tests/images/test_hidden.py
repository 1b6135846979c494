"""Hidden colours: replaced by what is visible around, whatever they were."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from vangram.errors import PictureError
from vangram.images import Picture, cropped, visible_box, without_hidden


def made(pixels: Tensor, alpha: Tensor | None) -> Picture:
    return Picture(pixels, alpha, exif=None, sha256=None, name="a.png")


def disc(height: int, width: int) -> Tensor:
    """Visible inside, hidden outside, half visible between."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    away = ((rows - height / 2) ** 2 + (columns - width / 2) ** 2).sqrt() / min(height, width)
    return (1.5 - 4 * away).clamp(0, 1)[None, None]


@pytest.mark.parametrize("size", [(64, 64), (37, 101), (5, 2), (2, 33)])
def test_hidden_colours_do_not_change_a_bit(
    picture: Callable[..., Tensor], size: tuple[int, int]
) -> None:
    pixels, alpha = picture(*size), disc(*size)
    assert bool(alpha.any())
    assert not bool(alpha.all())
    black = made(torch.where(alpha > 0, pixels, 0.0), alpha)
    found, other = without_hidden(made(pixels, alpha)), without_hidden(black)
    assert torch.equal(found.pixels, other.pixels)
    shown = (alpha > 0).expand_as(pixels)
    assert torch.equal(found.pixels[shown], pixels[shown])
    assert float(found.pixels.min()) >= 0
    assert float(found.pixels.max()) <= 1
    assert found.alpha is alpha


def test_hidden_pixels_have_the_colours_around_them() -> None:
    pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    alpha = torch.zeros(1, 1, 64, 64)
    alpha[..., :8], alpha[..., -8:] = 1, 1
    pixels[..., :8], pixels[..., -8:] = 0.25, 0.75
    filled = without_hidden(made(pixels, alpha)).pixels
    # Interpolated with weights that add up to one, each rounded.
    torch.testing.assert_close(filled[..., 8:12], torch.full((1, 3, 64, 4), 0.25), atol=0.1, rtol=0)
    middle = filled[..., 30:34]
    torch.testing.assert_close(middle, torch.full_like(middle, 0.5), atol=0.1, rtol=0)
    assert (filled.diff(dim=-1) >= -1e-6).all()  # float32 rounding


def test_colours_around_are_weighted_by_alpha() -> None:
    pixels, alpha = torch.zeros(1, 3, 2, 4), torch.zeros(1, 1, 2, 4)
    pixels[..., 0, 0], alpha[..., 0, 0] = 1.0, 1.0
    pixels[..., 1, 0], alpha[..., 1, 0] = 0.5, 0.25
    filled = without_hidden(made(pixels, alpha)).pixels
    assert float(filled[0, 0, 0, 3]) == pytest.approx((1 + 0.5 * 0.25) / 1.25)


def test_opaque_picture_is_not_touched(picture: Callable[..., Tensor]) -> None:
    opaque = made(picture(), None)
    assert without_hidden(opaque) is opaque


def test_picture_without_a_visible_pixel_is_refused(picture: Callable[..., Tensor]) -> None:
    with pytest.raises(PictureError, match=r"'a\.png' is transparent everywhere"):
        without_hidden(made(picture(), torch.zeros(1, 1, 5, 7)))


def test_box_holds_every_visible_pixel_and_no_more() -> None:
    alpha = torch.zeros(1, 1, 9, 12)
    alpha[..., 2, 5], alpha[..., 6, 3] = 0.1, 1.0
    assert visible_box(alpha) == (slice(2, 7), slice(3, 6))
    assert visible_box(torch.ones(1, 1, 9, 12)) == (slice(0, 9), slice(0, 12))


def test_cropped_picture_is_opaque_where_all_of_it_is(picture: Callable[..., Tensor]) -> None:
    pixels, alpha = picture(5, 7), torch.zeros(1, 1, 5, 7)
    alpha[..., 1:4, 2:6] = 1
    inside = cropped(made(pixels, alpha), (slice(1, 4), slice(2, 6)))
    assert inside.alpha is None
    assert torch.equal(inside.pixels, pixels[..., 1:4, 2:6])
    wider = cropped(made(pixels, alpha), (slice(1, 4), slice(2, 7)))
    assert wider.alpha is not None
    assert torch.equal(wider.alpha, alpha[..., 1:4, 2:7])
