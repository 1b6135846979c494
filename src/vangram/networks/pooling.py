"""Pooling of 2x2 windows: the largest, or the scaled average; and the gradient's way back.

Where a side is odd, the last window is as large as what is there, and so is what it is divided by.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def pool(x: Tensor, scale: float | None) -> Tensor:
    """Pool (B, C, h, w) to (B, C, h / 2, w / 2), rounded up; autograd knows the way back.

    Args:
        x: activations.
        scale: what averages are multiplied by; None for maxima.
    """
    if scale is None:
        return F.max_pool2d(x, 2, ceil_mode=True)
    return F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False) * scale


def pool_traced(x: Tensor, scale: float | None) -> tuple[Tensor, Tensor | None]:
    """`pool`, and which of each four was the largest, where maxima are taken."""
    if scale is None:
        maxima, origin = torch.ops.aten.max_pool2d_with_indices(
            x, [2, 2], [2, 2], [0, 0], [1, 1], True
        )
        return maxima, origin
    averages = F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
    return averages.mul_(scale), None


def unpool(gradient: Tensor, x: Tensor, origin: Tensor | None, scale: float | None) -> Tensor:
    """Gradient of `pool` with respect to `x`, from that with respect to what it gave.

    All of it goes to where the largest was, or an equal part to each that was averaged.

    Args:
        gradient: (B, C, h / 2, w / 2).
        x: what was pooled, (B, C, h, w).
        origin: what `pool_traced` told.
        scale: as there.
    """
    spread: Tensor
    if scale is None:
        assert origin is not None
        spread = torch.ops.aten.max_pool2d_with_indices_backward(
            gradient, x, [2, 2], [2, 2], [0, 0], [1, 1], True, origin
        )
        return spread
    spread = torch.ops.aten.avg_pool2d_backward(
        gradient, x, [2, 2], [2, 2], [0, 0], True, False, None
    )
    return spread.mul_(scale)
