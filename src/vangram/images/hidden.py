"""Transparent pixels: their hidden colours replaced by visible ones, and margins cropped."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from vangram.errors import PictureError
from vangram.images.picture import Picture
from vangram.images.resizing import resize
from vangram.storage.files import quoted
from vangram.storage.tensors import row_bands

Box = tuple[slice, slice]
"""Rows and columns, with start and stop."""


def without_hidden(picture: Picture) -> Picture:
    """The picture with the colours of visible pixels around where alpha is 0.

    They are within the receptive fields of visible positions, and resampling mixes neighbours.
    Interpolated by pull and push over a pyramid of means that are weighted by alpha (Gortler,
    Grzeszczuk, Szeliski and Cohen, "The Lumigraph", SIGGRAPH 1996).

    Raises:
        PictureError: all of it is transparent.
    """
    if picture.alpha is None:
        return picture
    if not bool(picture.alpha.any()):
        raise PictureError(f"{quoted(picture.name)} is transparent everywhere: nothing is visible")
    return replace(picture, pixels=_filled(picture.pixels, picture.alpha))


def visible_box(alpha: Tensor) -> Box:
    """Rows and columns that hold all pixels of (1, 1, H, W) above 0."""
    rows, columns = ((alpha[0, 0].amax(axis) > 0).nonzero().flatten() for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def cropped(picture: Picture, box: Box) -> Picture:
    """Some rows and columns of a picture."""
    at = (..., *box)
    alpha = None if picture.alpha is None else picture.alpha[at].clone()
    if alpha is not None and bool((alpha == 1).all()):
        alpha = None
    return replace(picture, pixels=picture.pixels[at].clone(), alpha=alpha)


def _filled(pixels: Tensor, weights: Tensor) -> Tensor:
    """Pixels (1, 3, H, W), interpolated where the weights (1, 1, H, W) are 0."""
    if bool((weights > 0).all()):
        return pixels
    size = (pixels.shape[-2], pixels.shape[-1])
    filled = resize(_filled(*_halved(pixels, weights)), size)
    for rows in row_bands(filled):
        at = (..., rows, slice(None))
        filled[at] = torch.where(weights[at] > 0, pixels[at], filled[at])
    return filled


def _halved(pixels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted means of 2 x 2 pixels, and means of their weights."""
    height, width = (-(-side // 2) for side in pixels.shape[-2:])
    means, totals = pixels.new_empty(1, 3, height, width), weights.new_empty(1, 1, height, width)
    for rows in row_bands(means):
        at, fine = (
            (..., rows, slice(None)),
            (..., slice(2 * rows.start, 2 * rows.stop), slice(None)),
        )
        totals[at] = _pooled(weights[fine])
        summed = _pooled(pixels[fine] * weights[fine])
        means[at] = summed / torch.where(totals[at] > 0, totals[at], 1.0)
    return means, totals


def _pooled(values: Tensor) -> Tensor:
    return F.avg_pool2d(values, 2, ceil_mode=True, count_include_pad=False)
