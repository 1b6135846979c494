"""Range: what of a picture cannot be shown."""

from __future__ import annotations

import torch
from torch import Tensor


def out_of_range_loss(image: Tensor, rows: slice | None = None) -> Tensor:
    """Squared distance from what can be shown: Σ (x − clip(x, 0, 1))² over pixels and channels.

    A descent that does not know that pixels end in black and white goes on beyond them, and what
    its picture loses when it is clipped is style. Not part of Gatys et al.

    Args:
        image: (..., H, W).
        rows: those whose pixels count, beginning and end given; None: all.

    Returns:
        A float64 scalar.
    """
    return _excess(image, rows).square().sum(dtype=torch.float64)


def out_of_range_loss_grad(image: Tensor, rows: slice | None = None) -> Tensor:
    """Gradient of `out_of_range_loss`: 2 (x − clip(x, 0, 1)).

    Args:
        image: (..., H, W).
        rows: those whose gradient is wanted, beginning and end given; None: all.

    Returns:
        Shape, dtype and device of `image`, or of its rows.
    """
    return 2 * _excess(image, rows)


def _excess(image: Tensor, rows: slice | None) -> Tensor:
    part = image if rows is None else image[..., rows, :]
    return part - part.clamp(0, 1)
