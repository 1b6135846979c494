"""Pooling of 2x2 windows: the largest, or the scaled average; and the gradient's way back.

Where a side is odd, the last window is as large as what is there, and so is what it is divided by.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from vangram.kernels.jit import Kernel, channels_last, has_kernels, lanes_for
from vangram.kernels.language import Code, Integer, Pointer


def pool(x: Tensor, scale: float | None) -> Tensor:
    """Pool (B, C, h, w) to (B, C, h / 2, w / 2), rounded up; autograd knows the way back.

    Args:
        x: activations.
        scale: what averages are multiplied by; None for maxima.
    """
    if scale is not None:
        return F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False) * scale
    if x.requires_grad or not has_kernels(x):
        return F.max_pool2d(x, 2, ceil_mode=True)
    x = channels_last(x)
    batch, channels, height, width = x.shape
    out = x.new_empty(batch, -(-height // 2), -(-width // 2), channels)
    kernel = _maxima(x.dtype, lanes_for(channels, x.dtype))
    for one, into in zip(x, out, strict=True):
        kernel(into.shape[0] * into.shape[1], one, into, height, width, *one.stride()[1:], channels)
    return out.permute(0, 3, 1, 2)


def unpool(gradient: Tensor, x: Tensor, scale: float | None) -> Tensor:
    """Gradient of `pool` with respect to `x`, from that with respect to what it gave.

    All of it goes to the largest, the first one if there are several, or an equal part to each
    that was averaged.

    Args:
        gradient: (B, C, h / 2, w / 2).
        x: what was pooled, (B, C, h, w).
        scale: as there.
    """
    window = [2, 2]
    if scale is not None:
        averaged: Tensor = torch.ops.aten.avg_pool2d_backward(
            gradient, x, window, window, [0, 0], True, False, None
        )
        return averaged.mul_(scale)
    if not has_kernels(x):
        _, origin = torch.ops.aten.max_pool2d_with_indices(x, window, window, [0, 0], [1, 1], True)
        spread: Tensor = torch.ops.aten.max_pool2d_with_indices_backward(
            gradient, x, window, window, [0, 0], [1, 1], True, origin
        )
        return spread
    x, gradient = channels_last(x), channels_last(gradient)
    batch, channels, height, width = x.shape
    out = x.new_empty(batch, height, width, channels)
    kernel = _to_maxima(x.dtype, lanes_for(channels, x.dtype))
    for one, slope, into in zip(x, gradient, out, strict=True):
        kernel(
            slope.shape[1] * slope.shape[2], one, slope, into,
            height, width, *one.stride()[1:], *slope.stride()[1:], channels,
        )  # fmt: skip
    return out.permute(0, 3, 1, 2)


@cache
def _maxima(dtype: torch.dtype, lanes: int) -> Kernel:
    """The largest of each window."""

    def body(
        code: Code, window: Integer, x: Pointer, out: Pointer,
        height: Integer, width: Integer, row: Integer, column: Integer, channels: Integer,
    ) -> None:  # fmt: skip
        of = [y * row + z * column for y, z in _positions(window, height, width)]
        with code.vectors(channels) as c:
            a, b, d, e = (x[start + c] for start in of)
            out[window * channels + c] = a.maximum(b).maximum(d.maximum(e))

    return Kernel(body, dtype, lanes)


@cache
def _to_maxima(dtype: torch.dtype, lanes: int) -> Kernel:
    """A window's gradient to its largest, zero to the others."""

    def body(
        code: Code, window: Integer, x: Pointer, gradient: Pointer, out: Pointer,
        height: Integer, width: Integer, row: Integer, column: Integer,
        gradient_row: Integer, gradient_column: Integer, channels: Integer,
    ) -> None:  # fmt: skip
        across = (width + 1) // 2
        of = window // across * gradient_row + window % across * gradient_column
        positions = _positions(window, height, width)
        with code.vectors(channels) as c:
            values = [x[y * row + z * column + c] for y, z in positions]
            largest = values[0].maximum(values[1]).maximum(values[2].maximum(values[3]))
            found, parts = None, []
            for value in values:
                here = value.equals(largest)
                parts.append(gradient[of + c].where(here if found is None else here & ~found))
                found = here if found is None else found | here
            # The first last: where a window is cut off, its positions are the same ones.
            for (y, z), part in reversed(list(zip(positions, parts, strict=True))):
                out[(y * width + z) * channels + c] = part

    return Kernel(body, dtype, lanes)


def _positions(window: Integer, height: Integer, width: Integer) -> list[tuple[Integer, Integer]]:
    """Rows and columns of a window; beyond the edge the last one again."""
    across = (width + 1) // 2
    top, left = window // across * 2, window % across * 2
    rows, columns = [top, (top + 1).minimum(height - 1)], [left, (left + 1).minimum(width - 1)]
    return [(y, z) for y in rows for z in columns]
