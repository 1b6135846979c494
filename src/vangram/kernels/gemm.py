"""Winograd's products: for each of 36 points, all tiles by all filters, over the channels.

The arithmetic of a convolution is here. On a processor a kernel of our own does it, which beats
what torch has for such shapes; on a GPU its library does.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from vangram.kernels.jit import LINE, Kernel, Processor, lanes_for
from vangram.kernels.language import Code, Integer, Pointer, Vector

BLOCK, MOST_BLOCKS = 2 * 2**20, 16
"""Bytes of transformed inputs at a time, for each thread, so that they are still in its cache when
multiplied; and for how many threads at most."""
MANY_TILES = 192
"""At a time, whatever they take: each time the filters are read anew, 37 MB for 512 channels."""
OWN_TILES = 64
"""For each thread, so that it multiplies the tiles that it transformed, which are in its own cache;
where there are fewer, threads share tiles and each has filters of its own."""
GPU_BLOCK_BYTES = 128 * 2**20
"""Bytes of transformed inputs and products at a time on a GPU."""


class Workspace:
    """Memory that is used again and again: fresh pages would cost as much as the arithmetic."""

    def __init__(self) -> None:
        self.memory: Tensor | None = None

    def tensors(self, like: Tensor, *shapes: tuple[int, ...]) -> list[Tensor]:
        """Tensors of these shapes, with whatever is in them; good until the next call."""
        counts = [math.prod(shape) for shape in shapes]
        total, memory = sum(counts), self.memory
        if memory is None or len(memory) < total or memory.dtype != like.dtype:
            self.memory = None  # so that the old and the new are never there together
            self.memory = memory = like.new_empty(total)
        parts = torch.split(memory[:total], counts)
        return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


class OnProcessor:
    """Products by a kernel.

    Args:
        filters: (points, C, K), transformed.
    """

    def __init__(self, filters: Tensor) -> None:
        self.points, self.channels, self.outputs = filters.shape
        lanes = lanes_for(self.outputs, filters.dtype)
        self.rows, self.across = _register_block(self.outputs // lanes)
        self.wide = self.across * lanes
        panels = filters.view(self.points, self.channels, -1, self.wide)
        self.filters = panels.transpose(1, 2).contiguous()

    def at_a_time(self, tiles: int) -> int:
        """Tiles to take: not too many, not too few, and all blocks alike."""
        size = BLOCK * min(torch.get_num_threads(), MOST_BLOCKS)
        tile = self.points * self.channels * self.filters.itemsize
        return _alike(tiles, max(size // tile, MANY_TILES))

    def tensors(self, tiles: int, workspace: Workspace) -> tuple[Tensor, Tensor]:
        """Room for factors (points, tiles, C) and products (points, tiles, K)."""
        places = -(-tiles // self.rows) * self.rows
        row = self.channels + LINE // self.filters.itemsize  # rows shall not compete in the cache
        V, M = workspace.tensors(
            self.filters, (self.points, places, row), (places, self.points, self.outputs)
        )
        V[:, tiles:] = 0
        return V, M.transpose(0, 1)

    def __call__(self, V: Tensor, M: Tensor) -> None:
        """Multiply what `tensors` gave."""
        groups, panels = V.shape[1] // self.rows, self.filters.shape[1]
        threads = torch.get_num_threads()
        if V.shape[1] >= threads * OWN_TILES:
            parts = threads
        else:
            parts = min(-(-4 * threads // (self.points * panels)), groups)  # so all have alike
        product = _product(V.dtype, self.wide // self.across, self.rows, self.across)
        product(
            parts * self.points * panels, V, self.filters, M, groups, parts, self.points, panels,
            self.channels, *V.stride()[:2], *M.stride()[:2],
        )  # fmt: skip


class OnGPU:
    """Products by the GPU's library.

    Args:
        filters: (points, C, K), transformed.
    """

    def __init__(self, filters: Tensor) -> None:
        self.filters = filters

    def at_a_time(self, tiles: int) -> int:
        """Tiles to take, all blocks alike."""
        points, channels, outputs = self.filters.shape
        tile = points * (channels + outputs) * self.filters.itemsize
        return _alike(tiles, max(GPU_BLOCK_BYTES // tile, 1))

    def tensors(self, tiles: int, workspace: Workspace) -> tuple[Tensor, Tensor]:
        """Room for factors (points, tiles, C) and products (points, tiles, K)."""
        points, channels, outputs = self.filters.shape
        V, M = workspace.tensors(self.filters, (points, tiles, channels), (points, tiles, outputs))
        return V, M

    def __call__(self, V: Tensor, M: Tensor) -> None:
        """Multiply what `tensors` gave."""
        torch.bmm(V, self.filters, out=M)


def _alike(tiles: int, most: int) -> int:
    """Tiles of a block, where all blocks are alike and none has more than `most`."""
    return -(-tiles // -(-tiles // most))


def _register_block(vectors: int) -> tuple[int, int]:
    """Rows and vectors of a product that the processor holds at once, beside their factors.

    Args:
        vectors: of a whole row, of which the block's must be a part.
    """
    held = 24 if Processor.here().registers == 32 else 12
    across = next(n for n in (4, 3, 2, 1) if vectors % n == 0 and 6 * n <= held)
    return held // across, across


@cache
def _product(dtype: torch.dtype, lanes: int, rows: int, across: int) -> Kernel:
    """Of (tiles, C) by (C, K) for each point.

    An item is a part of the tiles and a panel of one point's filters, so narrow that it stays in
    the cache while they pass; a thread does one part after the other. A block of the product,
    `rows` × `across` vectors, stays in registers over all of C.
    """

    def body(
        code: Code, item: Integer, V: Pointer, filters: Pointer, M: Pointer,
        groups: Integer, parts: Integer, points: Integer, panels: Integer, channels: Integer,
        point: Integer, place: Integer, point_out: Integer, place_out: Integer,
    ) -> None:  # fmt: skip
        part, item, wide = item // (points * panels), item % (points * panels), across * lanes
        at, panel, factor = item // panels, item % panels, item * channels * wide
        first, last = groups * part // parts, groups * (part + 1) // parts
        with code.range(last, first=first) as group:
            tiles = [group * rows + row for row in range(rows)]
            starts = [at * point + tile * place for tile in tiles]

            def step(c: Integer, sums: list[Vector]) -> list[Vector]:
                filtered = [filters[factor + c * wide + n * lanes] for n in range(across)]
                inputs = [V.spread(start + c) for start in starts]
                products = (value * each for value in inputs for each in filtered)
                return [summed + product for summed, product in zip(sums, products, strict=True)]

            summed = iter(code.fold(channels, rows * across, step))
            for tile in tiles:
                for n in range(across):
                    M[tile * place_out + at * point_out + panel * wide + n * lanes] = next(summed)

    return Kernel(body, dtype, lanes)
