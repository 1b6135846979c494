"""Smoothness loss: the total variation of an image."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 0.01
"""Differences below this, in units of the pixel range, are smoothed rather than removed."""
BAND = 2**17
"""Values of the image per band on the CPU."""


def total_variation_loss(
    image: Tensor, rows: slice | None = None, weights: Tensor | None = None
) -> Tensor:
    """Isotropic total variation: Σ w (√(dx² + dy² + ε²) − ε) over pixels and channels.

    Rudin, Osher and Fatemi 1992, with forward differences, zero beyond the last row and column,
    and ε (`EPSILON`) to make it differentiable. Unlike a sum of squares it preserves edges, which
    brush strokes consist of. Not part of Gatys et al.

    Args:
        image: (..., H, W).
        rows: rows whose pixels count, with start and stop; None: all.
        weights: w, (..., H, W), of the pixels; None: all 1.

    Returns:
        A float64 scalar.
    """
    total = torch.zeros((), dtype=torch.float64, device=image.device)
    for around, inner, _ in _bands(image, rows or slice(0, image.shape[-2])):
        length = _length(*_differences(image[..., around, :])) - EPSILON
        if weights is not None:
            length = length * weights[..., around, :]
        total += length[..., inner, :].sum(dtype=torch.float64)
    return total


def total_variation_loss_grad(
    image: Tensor, rows: slice | None = None, weights: Tensor | None = None
) -> Tensor:
    """Gradient of `total_variation_loss` of all rows.

    Minus the divergence of the differences over their length, times the weights.

    Args:
        image: (..., H, W).
        rows: rows whose gradient is returned, with start and stop; None: all.
        weights: w, (..., H, W), of the pixels; None: all 1.

    Returns:
        Shape, dtype and device of `image`, or of its rows.
    """
    rows = rows or slice(0, image.shape[-2])
    gradient = torch.empty_like(image[..., rows, :], memory_format=torch.contiguous_format)
    for around, inner, out in _bands(image, rows):
        dx, dy = _differences(image[..., around, :])
        length = _length(dx, dy)
        dx, dy = dx / length, dy / length
        if weights is not None:
            dx, dy = (each * weights[..., around, :] for each in (dx, dy))
        part = F.pad(dx[..., :-1], (1, 0)) - dx + F.pad(dy[..., :-1, :], (0, 0, 1, 0)) - dy
        gradient[..., out, :] = part[..., inner, :]
    return gradient


def _bands(image: Tensor, rows: slice) -> Iterator[tuple[slice, slice, slice]]:
    """Bands of rows: (with a margin of one row, the band's rows in these, and in `rows`).

    A band stays in the CPU's cache, and temporary tensors take little memory. On a GPU all rows are
    one band.
    """
    step = rows.stop - rows.start if image.is_cuda else BAND // max(image[..., 0, :].numel(), 1)
    step = max(step, 1)
    for first in range(rows.start, rows.stop, step):
        last, above = min(first + step, rows.stop), max(first - 1, 0)
        inner = slice(first - above, last - above)
        yield slice(above, last + 1), inner, slice(first - rows.start, last - rows.start)


def _differences(image: Tensor) -> tuple[Tensor, Tensor]:
    dx = F.pad(image[..., 1:] - image[..., :-1], (0, 1))
    dy = F.pad(image[..., 1:, :] - image[..., :-1, :], (0, 0, 0, 1))
    return dx, dy


def _length(dx: Tensor, dy: Tensor) -> Tensor:
    return (dx.square() + dy.square() + EPSILON**2).sqrt()
