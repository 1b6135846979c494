"""X Xᵀ over the positions of channels-last features: the half that is not the other one mirrored.

A compiled kernel. The positions are divided into as many parts for one thread as for many, so that
the sums are the same; or into bands of rows, so that they are those of the same bands elsewhere.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from vangram.kernels.codegen import Integer, KernelBuilder, Pointer
from vangram.kernels.gemm import block_product
from vangram.kernels.jit import CPU, Kernel, full_lanes, has_kernels

CHUNK = 128
"""Positions that are packed and multiplied at once: of 512 channels a quarter of a megabyte, which
stays in a core's cache."""
MOST_PARTS = 16
"""Parts of the positions, each with a matrix of its own."""
COLUMNS = 2
"""Vectors of a block's rows; the panels are so wide."""


def has_symmetric_products(x: Tensor) -> bool:
    """Whether `symmetric_products` can be compiled for x, (C, h, w), and is worth it."""
    on_cpu = x.device.type == "cpu" and has_kernels(x)
    return on_cpu and len(x) % _panel(x.dtype) == 0 and x.shape[1:].numel() > 0


def symmetric_products(x: Tensor, rows: int | None = None) -> Tensor:
    """X Xᵀ, summed over positions.

    Args:
        x: (1, C, h, w), channels last without gaps; C a multiple of two vectors.
        rows: of a band, whose products are added to those of others in float64; None: one sum.

    Returns:
        (C, C), exactly symmetric; of bands in float64.
    """
    channels, positions = x.shape[1], x.shape[2:].numel()
    parts = min(MOST_PARTS, max(1, positions // CHUNK))
    step = -(-positions // parts)
    if rows is not None:
        step = rows * x.shape[3]
        parts = -(-positions // step)
    packed = x.new_empty(parts, CHUNK * channels)
    sums = x.new_zeros(parts, channels, channels)
    lanes = full_lanes(x.dtype)
    height = 8 if CPU.host().registers == 32 else 4
    kernel = _products(x.dtype, lanes, min(height, COLUMNS * lanes))
    kernel(parts, x, packed, sums, positions, step, channels)
    upper = sums.sum(0, dtype=None if rows is None else torch.float64).triu_()
    return upper + upper.triu(1).mT


def _panel(dtype: torch.dtype) -> int:
    """Channels of a panel."""
    return COLUMNS * full_lanes(dtype)


@cache
def _products(dtype: torch.dtype, lanes: int, rows: int) -> Kernel:
    """Kernel of X Xᵀ, but for the blocks below the diagonal's panels.

    An item is a part of the positions. Of each chunk, panels of channels are packed one after the
    other; a block of the product, `rows` × `COLUMNS` vectors, stays in registers over its
    positions.
    """

    def body(
        kernel: KernelBuilder, part: Integer, x: Pointer, packed: Pointer, sums: Pointer,
        positions: Integer, length: Integer, channels: Integer,
    ) -> None:  # fmt: skip
        width = COLUMNS * lanes
        first = part * length
        last = (first + length).minimum(positions)
        room, into = part * channels * CHUNK, part * channels * channels
        with kernel.range(last, first=first, step=CHUNK) as start:
            count = (last - start).minimum(CHUNK)
            with kernel.range(count) as p, kernel.range(channels // width) as panel:
                for n in range(COLUMNS):
                    value = x[(start + p) * channels + panel * width + n * lanes]
                    packed[room + (panel * CHUNK + p) * width + n * lanes] = value
            with (
                kernel.range(channels // width) as panel,
                kernel.range((panel + 1) * (width // rows)) as block,
            ):
                row = block * rows
                right = room + panel * (CHUNK * width)
                left = room + row // width * (CHUNK * width) + row % width
                starts = [left + r for r in range(rows)]
                found = block_product(
                    kernel, count, packed, starts, width, packed, right, COLUMNS, lanes
                )
                for r in range(rows):
                    for n in range(COLUMNS):
                        at = into + (row + r) * channels + panel * width + n * lanes
                        sums[at] = sums[at] + next(found)

    return Kernel(body, dtype, lanes)
