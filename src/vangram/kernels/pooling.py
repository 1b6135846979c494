"""2×2 pooling, maximum or scaled average, and its gradient.

Where a side is odd, the last window is cropped, and an average is over the values inside.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from vangram.kernels.codegen import Integer, KernelBuilder, Pointer
from vangram.kernels.jit import Kernel, channels_last, has_kernels, lanes_for


def pool(x: Tensor, scale: float | None) -> Tensor:
    """Pool (B, C, h, w) to (B, C, h / 2, w / 2), rounded up; differentiable by autograd.

    Args:
        x: activations.
        scale: factor of the averages; None: maxima.
    """
    if scale is not None:
        return F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False) * scale
    if x.requires_grad or not has_kernels(x):
        return F.max_pool2d(x, 2, ceil_mode=True)
    x = channels_last(x)
    batch, channels, height, width = x.shape
    out = x.new_empty(batch, -(-height // 2), -(-width // 2), channels)
    kernel = _pool_kernel(x.dtype, lanes_for(channels, x.dtype))
    for one, into in zip(x, out, strict=True):
        kernel(into.shape[0] * into.shape[1], one, into, height, width, *one.stride()[1:], channels)
    return out.permute(0, 3, 1, 2)


def unpool(grad: Tensor, x: Tensor, scale: float | None) -> Tensor:
    """Gradient of `pool` with respect to `x`.

    A maximum passes it to the largest value, the first of equals; an average divides it.

    Args:
        grad: (B, C, h / 2, w / 2), with respect to the output.
        x: input of `pool`, (B, C, h, w).
        scale: as in `pool`.
    """
    window = [2, 2]
    if scale is not None:
        averaged: Tensor = torch.ops.aten.avg_pool2d_backward(
            grad, x, window, window, [0, 0], True, False, None
        )
        return averaged.mul_(scale)
    if not has_kernels(x):
        _, indices = torch.ops.aten.max_pool2d_with_indices(x, window, window, [0, 0], [1, 1], True)
        passed: Tensor = torch.ops.aten.max_pool2d_with_indices_backward(
            grad, x, window, window, [0, 0], [1, 1], True, indices
        )
        return passed
    x, grad = channels_last(x), channels_last(grad)
    batch, channels, height, width = x.shape
    out = x.new_empty(batch, height, width, channels)
    kernel = _unpool_kernel(x.dtype, lanes_for(channels, x.dtype))
    for one, one_grad, into in zip(x, grad, out, strict=True):
        kernel(
            one_grad.shape[1] * one_grad.shape[2], one, one_grad, into,
            height, width, *one.stride()[1:], *one_grad.stride()[1:], channels,
        )  # fmt: skip
    return out.permute(0, 3, 1, 2)


@cache
def _pool_kernel(dtype: torch.dtype, lanes: int) -> Kernel:
    """Kernel of the maximum of each window."""

    def body(
        kernel: KernelBuilder, window: Integer, x: Pointer, out: Pointer,
        height: Integer, width: Integer, row: Integer, column: Integer, channels: Integer,
    ) -> None:  # fmt: skip
        starts = [y * row + z * column for y, z in _positions(window, height, width)]
        with kernel.vectors(channels) as c:
            a, b, d, e = (x[start + c] for start in starts)
            out[window * channels + c] = a.maximum(b).maximum(d.maximum(e))

    return Kernel(body, dtype, lanes)


@cache
def _unpool_kernel(dtype: torch.dtype, lanes: int) -> Kernel:
    """Kernel that writes each window's gradient at its maximum, zeros elsewhere."""

    def body(
        kernel: KernelBuilder, window: Integer, x: Pointer, grad: Pointer, out: Pointer,
        height: Integer, width: Integer, row: Integer, column: Integer,
        grad_row: Integer, grad_column: Integer, channels: Integer,
    ) -> None:  # fmt: skip
        across = (width + 1) // 2
        start = window // across * grad_row + window % across * grad_column
        positions = _positions(window, height, width)
        with kernel.vectors(channels) as c:
            values = [x[y * row + z * column + c] for y, z in positions]
            largest = values[0].maximum(values[1]).maximum(values[2].maximum(values[3]))
            found, parts = None, []
            for value in values:
                here = value.equals(largest)
                parts.append(grad[start + c].where(here if found is None else here & ~found))
                found = here if found is None else found | here
            # The first is written last: positions of a cropped window coincide.
            for (y, z), part in reversed(list(zip(positions, parts, strict=True))):
                out[(y * width + z) * channels + c] = part

    return Kernel(body, dtype, lanes)


def _positions(window: Integer, height: Integer, width: Integer) -> list[tuple[Integer, Integer]]:
    """(row, column) of a window's four values; the last row and column repeat at the edge."""
    across = (width + 1) // 2
    top, left = window // across * 2, window % across * 2
    rows, columns = [top, (top + 1).minimum(height - 1)], [left, (left + 1).minimum(width - 1)]
    return [(y, z) for y in rows for z in columns]
