"""Range loss: pixel values outside [0, 1], which cannot be displayed."""

from __future__ import annotations

import torch
from torch import Tensor


def out_of_range_loss(
    image: Tensor, rows: slice | None = None, weights: Tensor | None = None
) -> Tensor:
    """Squared distance from the displayable range: Σ w (x − clip(x, 0, 1))² over all values.

    Without it, optimisation leaves the range, and clipping the result loses style. Not part of
    Gatys et al.

    Args:
        image: (..., H, W).
        rows: rows whose pixels count, with start and stop; None: all.
        weights: w, (..., H, W), of the pixels; None: all 1.

    Returns:
        A float64 scalar.
    """
    excess = _excess(image, rows)
    return (excess * _weighted(excess, rows, weights)).sum(dtype=torch.float64)


def out_of_range_loss_grad(
    image: Tensor, rows: slice | None = None, weights: Tensor | None = None
) -> Tensor:
    """Gradient of `out_of_range_loss`: 2 w (x − clip(x, 0, 1)).

    Args:
        image: (..., H, W).
        rows: rows whose gradient is returned, with start and stop; None: all.
        weights: w, (..., H, W), of the pixels; None: all 1.

    Returns:
        Shape, dtype and device of `image`, or of its rows.
    """
    return 2 * _weighted(_excess(image, rows), rows, weights)


def _excess(image: Tensor, rows: slice | None) -> Tensor:
    part = image if rows is None else image[..., rows, :]
    return part - part.clamp(0, 1)


def _weighted(excess: Tensor, rows: slice | None, weights: Tensor | None) -> Tensor:
    if weights is None:
        return excess
    return excess * (weights if rows is None else weights[..., rows, :])
