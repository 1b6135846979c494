"""Correlation with 1×1 filters: a product over channels at each position of the features.

A compiled kernel takes about three quarters of oneDNN's time; it adds the bias and applies the ReLU
to what is still in registers.
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from vangram.kernels.codegen import Integer, KernelBuilder, Pointer
from vangram.kernels.gemm import block_product, register_block
from vangram.kernels.jit import Kernel, full_lanes, has_kernels

PART_BYTES = 2**18
"""Inputs of a part, which stay in a core's cache while all panels of filters pass."""


def convolve_pointwise(
    x: Tensor, filters: Tensor, bias: Tensor | None = None, *, relu: bool = False
) -> Tensor:
    """Correlate features with 1×1 filters, add a bias, and apply a ReLU if asked for.

    Args:
        x: (B, C, h, w).
        filters: (K, C).
        bias: (K,); None: zero.
        relu: apply it.

    Returns:
        (B, K, h, w), channels last in memory where B is 1 and the kernel computes it.
    """
    if not _has_kernel(x, filters):
        found = F.conv2d(x, filters[:, :, None, None], bias)
        return found.relu_() if relu else found
    x = x.contiguous(memory_format=torch.channels_last)
    (outputs, channels), positions = filters.shape, x.shape[2:].numel()
    lanes = full_lanes(x.dtype)
    rows, columns = register_block(outputs // lanes)
    width = columns * lanes
    panels = filters.reshape(-1, width, channels).transpose(1, 2).contiguous()
    out = x.new_empty(1, *x.shape[2:], outputs)
    parts = max(1, positions * channels * x.itemsize // PART_BYTES)
    _products(x.dtype, lanes, rows, columns, bias is not None, relu)(
        parts * len(panels), x, panels, out if bias is None else bias, out,
        positions, parts, len(panels), channels, outputs,
    )  # fmt: skip
    return out.permute(0, 3, 1, 2)


def _has_kernel(x: Tensor, filters: Tensor) -> bool:
    """Whether a kernel can be compiled for these shapes."""
    if x.device.type != "cpu" or not has_kernels(x) or len(x) != 1:
        return False
    vectors, rest = divmod(len(filters), full_lanes(x.dtype))
    return rest == 0 and x.shape[2:].numel() >= register_block(vectors)[0]


@cache
def _products(
    dtype: torch.dtype, lanes: int, rows: int, columns: int, biased: bool, relu: bool
) -> Kernel:
    """Kernel of (positions, C) × (C, K).

    An item is a part of the positions and a panel of the filters. A block of the product, `rows` ×
    `columns` vectors, stays in registers over all of C. The last block of positions overlaps the
    one before it.
    """

    def body(
        kernel: KernelBuilder, item: Integer, x: Pointer, filters: Pointer, bias: Pointer,
        out: Pointer, positions: Integer, parts: Integer, panels: Integer, channels: Integer,
        outputs: Integer,
    ) -> None:  # fmt: skip
        part, panel, width = item // panels, item % panels, columns * lanes
        blocks, factor, left = (
            (positions + rows - 1) // rows,
            panel * channels * width,
            panel * width,
        )
        with kernel.range(blocks * (part + 1) // parts, first=blocks * part // parts) as block:
            first = (block * rows).minimum(positions - rows)
            starts = [(first + row) * channels for row in range(rows)]
            sums = block_product(kernel, channels, x, starts, 1, filters, factor, columns, lanes)
            added = [bias[left + n * lanes] for n in range(columns)] if biased else []
            for row in range(rows):
                for n in range(columns):
                    value = next(sums)
                    value = value + added[n] if biased else value
                    value = value.maximum(kernel.vector(0.0)) if relu else value
                    out[(first + row) * outputs + left + n * lanes] = value

    return Kernel(body, dtype, lanes)
