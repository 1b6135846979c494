"""Smoothness: the total variation of a picture."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 0.01
"""Differences below this, in units of the picture's range, are smoothed rather than removed."""
BAND = 2**17
"""Values of the image at a time, for a processor."""


def total_variation_loss(image: Tensor, rows: slice | None = None) -> Tensor:
    """Isotropic total variation: Σ √(dx² + dy² + ε²) − ε over pixels and channels.

    Rudin, Osher and Fatemi 1992, with forward differences, zero beyond the last row and column,
    and ε (`EPSILON`) to make it differentiable. Unlike the sum of squares it lets edges stand, and
    edges are what strokes are made of. Not part of Gatys et al.

    Args:
        image: (..., H, W).
        rows: those whose pixels count, beginning and end given; None: all.

    Returns:
        A float64 scalar.
    """
    total = torch.zeros((), dtype=torch.float64, device=image.device)
    for seen, inner, _ in _bands(image, rows or slice(0, image.shape[-2])):
        dx, dy = _differences(seen)
        total += (_length(dx, dy) - EPSILON)[..., inner, :].sum(dtype=torch.float64)
    return total


def total_variation_loss_grad(image: Tensor, rows: slice | None = None) -> Tensor:
    """Gradient of `total_variation_loss` of all rows: minus the divergence of unit differences.

    Args:
        image: (..., H, W).
        rows: those whose gradient is wanted, beginning and end given; None: all.

    Returns:
        Shape, dtype and device of `image`, or of its rows.
    """
    rows = rows or slice(0, image.shape[-2])
    gradient = torch.empty_like(image[..., rows, :], memory_format=torch.contiguous_format)
    for seen, inner, where in _bands(image, rows):
        dx, dy = _differences(seen)
        length = _length(dx, dy)
        dx, dy = dx / length, dy / length
        part = F.pad(dx[..., :-1], (1, 0)) - dx + F.pad(dy[..., :-1, :], (0, 0, 1, 0)) - dy
        gradient[..., where, :] = part[..., inner, :]
    return gradient


def _bands(image: Tensor, rows: slice) -> Iterator[tuple[Tensor, slice, slice]]:
    """Bands of some rows: what each sees, its own rows therein, and among all that are wanted.

    One at a time they stay in a processor's cache, and need no memory to speak of beside the
    image's. A GPU takes all rows at once.
    """
    step = rows.stop - rows.start if image.is_cuda else BAND // max(image[..., 0, :].numel(), 1)
    step = max(step, 1)
    for first in range(rows.start, rows.stop, step):
        last, above = min(first + step, rows.stop), max(first - 1, 0)
        inner = slice(first - above, last - above)
        yield image[..., above : last + 1, :], inner, slice(first - rows.start, last - rows.start)


def _differences(image: Tensor) -> tuple[Tensor, Tensor]:
    dx = F.pad(image[..., 1:] - image[..., :-1], (0, 1))
    dy = F.pad(image[..., 1:, :] - image[..., :-1, :], (0, 0, 0, 1))
    return dx, dy


def _length(dx: Tensor, dy: Tensor) -> Tensor:
    return (dx.square() + dy.square() + EPSILON**2).sqrt()
