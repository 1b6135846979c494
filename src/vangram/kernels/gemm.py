"""Batched matrix multiplication for Winograd: at each of 36 points, tiles × filters over channels.

Most of a convolution's arithmetic is here. On the CPU it is a compiled kernel, faster than torch's
BLAS for these shapes; on a GPU it is cuBLAS, by way of `torch.bmm`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache

import torch
from torch import Tensor

from vangram.kernels.codegen import Integer, KernelBuilder, Pointer, Vector
from vangram.kernels.jit import CACHE_LINE, CPU, Kernel, lanes_for

BLOCK_BYTES, MAX_BLOCKS = 2 * 2**20, 16
"""Transformed inputs of one thread, in bytes, so that they are still in its cache when they are
multiplied; and the number of threads counted at most."""
MIN_TILES = 192
"""Tiles of a block at least: each block reads all filters, 37 MB for 512 channels."""
MIN_TILES_PER_THREAD = 64
"""With as many tiles for each thread, a thread multiplies the tiles that it transformed, which are
in its own cache. With fewer, threads share tiles and divide the filters."""
GPU_BLOCK_BYTES = 128 * 2**20
"""Transformed inputs and products of a block on a GPU, in bytes."""


class Workspace:
    """Memory that is reused from call to call: new pages would cost as much as the arithmetic."""

    def __init__(self) -> None:
        self.memory: Tensor | None = None

    def tensors(self, like: Tensor, *shapes: tuple[int, ...]) -> list[Tensor]:
        """Uninitialised tensors of these shapes, valid until the next call."""
        counts = [math.prod(shape) for shape in shapes]
        total, memory = sum(counts), self.memory
        if memory is None or len(memory) < total or memory.dtype != like.dtype:
            self.memory = None  # freed before the new one is allocated
            self.memory = memory = like.new_empty(total)
        parts = torch.split(memory[:total], counts)
        return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


class CPUGemm:
    """Batched products with fixed filters by a compiled kernel.

    Args:
        filters: (points, C, K), transformed.
    """

    def __init__(self, filters: Tensor) -> None:
        self.points, self.channels, self.outputs = filters.shape
        lanes = lanes_for(self.outputs, filters.dtype)
        self.rows, self.columns = register_block(self.outputs // lanes)
        self.panel = self.columns * lanes
        panels = filters.view(self.points, self.channels, -1, self.panel)
        self.filters = panels.transpose(1, 2).contiguous()

    def tiles_per_block(self, tiles: int) -> int:
        """Tiles per block: they fit the cache, at least `MIN_TILES`, blocks of equal size."""
        size = BLOCK_BYTES * min(torch.get_num_threads(), MAX_BLOCKS)
        tile = self.points * self.channels * self.filters.itemsize
        return _equal_blocks(tiles, max(size // tile, MIN_TILES))

    def buffers(self, tiles: int, workspace: Workspace) -> tuple[Tensor, Tensor]:
        """Uninitialised inputs (points, tiles, C) and products (points, tiles, K)."""
        padded = -(-tiles // self.rows) * self.rows
        row = self.channels + CACHE_LINE // self.filters.itemsize  # avoids cache-set conflicts
        V, M = workspace.tensors(
            self.filters, (self.points, padded, row), (padded, self.points, self.outputs)
        )
        V[:, tiles:] = 0
        return V, M.transpose(0, 1)

    def __call__(self, V: Tensor, M: Tensor) -> None:
        """Multiply inputs V into products M, both from `buffers`."""
        groups, panels = V.shape[1] // self.rows, self.filters.shape[1]
        threads = torch.get_num_threads()
        if V.shape[1] >= threads * MIN_TILES_PER_THREAD:
            parts = threads
        else:
            parts = min(-(-4 * threads // (self.points * panels)), groups)  # balances the threads
        product = _product(V.dtype, self.panel // self.columns, self.rows, self.columns)
        product(
            parts * self.points * panels, V, self.filters, M, groups, parts, self.points, panels,
            self.channels, *V.stride()[:2], *M.stride()[:2],
        )  # fmt: skip


class GPUGemm:
    """Batched products with fixed filters by cuBLAS.

    Args:
        filters: (points, C, K), transformed.
    """

    def __init__(self, filters: Tensor) -> None:
        self.filters = filters

    def tiles_per_block(self, tiles: int) -> int:
        """Tiles per block: at most `GPU_BLOCK_BYTES`, blocks of equal size."""
        points, channels, outputs = self.filters.shape
        tile = points * (channels + outputs) * self.filters.itemsize
        return _equal_blocks(tiles, max(GPU_BLOCK_BYTES // tile, 1))

    def buffers(self, tiles: int, workspace: Workspace) -> tuple[Tensor, Tensor]:
        """Uninitialised inputs (points, tiles, C) and products (points, tiles, K)."""
        points, channels, outputs = self.filters.shape
        V, M = workspace.tensors(self.filters, (points, tiles, channels), (points, tiles, outputs))
        return V, M

    def __call__(self, V: Tensor, M: Tensor) -> None:
        """Multiply inputs V into products M, both from `buffers`."""
        torch.bmm(V, self.filters, out=M)


def _equal_blocks(tiles: int, most: int) -> int:
    """Tiles of a block, for the fewest blocks of equal size with at most `most` tiles."""
    return -(-tiles // -(-tiles // most))


def register_block(vectors: int) -> tuple[int, int]:
    """(rows, vectors) of the product that is accumulated in registers.

    Args:
        vectors: of a whole row; the block's divide it.
    """
    accumulators = 24 if CPU.host().registers == 32 else 12
    columns = next(n for n in (4, 3, 2, 1) if vectors % n == 0 and 6 * n <= accumulators)
    return accumulators // columns, columns


def block_product(
    kernel: KernelBuilder,
    length: Integer,
    x: Pointer,
    starts: Sequence[Integer],
    step: Integer | int,
    panel: Pointer,
    first: Integer,
    columns: int,
    lanes: int,
) -> Iterator[Vector]:
    """A block of a matrix product, accumulated in registers: Σ x[start + c step] panel[first + c].

    Args:
        kernel: under construction.
        length: number of c.
        x: the left factor, one row after the other.
        starts: of the block's rows.
        step: from a row's value to its next one.
        panel: the right factor, `columns` vectors of `lanes` for each c.
        first: where it begins.
        columns: vectors of a row.
        lanes: values of a vector.

    Returns:
        The vectors of the first row, of the second, ...
    """

    def add(c: Integer, sums: list[Vector]) -> list[Vector]:
        vectors = [panel[first + c * (columns * lanes) + n * lanes] for n in range(columns)]
        values = [x.broadcast(start + c * step) for start in starts]
        products = (value * vector for value in values for vector in vectors)
        return [total + product for total, product in zip(sums, products, strict=True)]

    return iter(kernel.fold(length, len(starts) * columns, add))


@cache
def _product(dtype: torch.dtype, lanes: int, rows: int, columns: int) -> Kernel:
    """Kernel of (tiles, C) × (C, K) at each point.

    An item is a part of the tiles and a panel of one point's filters, narrow enough to stay in the
    cache while the tiles pass; a thread does one part after the other. A block of the product,
    `rows` × `columns` vectors, stays in registers over all of C.
    """

    def body(
        kernel: KernelBuilder, item: Integer, V: Pointer, filters: Pointer, M: Pointer,
        groups: Integer, parts: Integer, points: Integer, panels: Integer, channels: Integer,
        point_in: Integer, tile_in: Integer, point_out: Integer, tile_out: Integer,
    ) -> None:  # fmt: skip
        part, item, width = item // (points * panels), item % (points * panels), columns * lanes
        point, panel, factor = item // panels, item % panels, item * channels * width
        first, last = groups * part // parts, groups * (part + 1) // parts
        with kernel.range(last, first=first) as group:
            tiles = [group * rows + row for row in range(rows)]
            starts = [point * point_in + tile * tile_in for tile in tiles]
            sums = block_product(kernel, channels, V, starts, 1, filters, factor, columns, lanes)
            for tile in tiles:
                for n in range(columns):
                    M[tile * tile_out + point * point_out + panel * width + n * lanes] = next(sums)

    return Kernel(body, dtype, lanes)
