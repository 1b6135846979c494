"""Range loss: pixel values outside [0, 1], which cannot be displayed."""

from __future__ import annotations

import torch
from torch import Tensor


def out_of_range_loss(image: Tensor, rows: slice | None = None) -> Tensor:
    """Squared distance from the displayable range: Σ (x − clip(x, 0, 1))² over all values.

    Without it, optimisation leaves the range, and clipping the result loses style. Not part of
    Gatys et al.

    Args:
        image: (..., H, W).
        rows: rows whose pixels count, with start and stop; None: all.

    Returns:
        A float64 scalar.
    """
    return _excess(image, rows).square().sum(dtype=torch.float64)


def out_of_range_loss_grad(image: Tensor, rows: slice | None = None) -> Tensor:
    """Gradient of `out_of_range_loss`: 2 (x − clip(x, 0, 1)).

    Args:
        image: (..., H, W).
        rows: rows whose gradient is returned, with start and stop; None: all.

    Returns:
        Shape, dtype and device of `image`, or of its rows.
    """
    return 2 * _excess(image, rows)


def _excess(image: Tensor, rows: slice | None) -> Tensor:
    part = image if rows is None else image[..., rows, :]
    return part - part.clamp(0, 1)
