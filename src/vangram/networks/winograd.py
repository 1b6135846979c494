"""Winograd's convolution F(4×4, 3×3): four times fewer multiplications, for filters that are fixed.

Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks": each 4×4 outputs of a 3×3
correlation with filters g are Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A, where d are the 6×6 inputs that they see.
Over channels the elementwise product becomes 36 matrix products, which is where the time goes. The
filters are transformed once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

from vangram.networks.code import Code, Condition, Integer, Pointer, Vector
from vangram.networks.kernel import LINE, Kernel, Processor, innermost, lanes_for

OUTPUTS = 4
"""Of a tile, along either axis."""
INPUTS = OUTPUTS + 2
"""That a tile's outputs see."""
POINTS = INPUTS * INPUTS
"""Products for each tile, input and output channel, where a plain convolution has 144."""
BLOCK, MOST_BLOCKS = 2 * 2**20, 16
"""Bytes of transformed inputs at a time, for each thread, so that they are still in its cache when
multiplied; and for how many threads at most."""
MANY_TILES = 192
"""At a time, whatever they take: each time the filters are read anew, 37 MB for 512 channels."""

G = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
"""Of the filters; interpolation at 0, ±1, ±2 and infinity."""

Window = tuple[slice, slice]
"""Rows and columns."""
T = TypeVar("T", Vector, Tensor)


def analysed(d: Sequence[T]) -> list[T]:
    """Bᵀ d, for six numbers d."""
    s, t = d[4] - d[2] * 4.0, d[3] - d[1] * 4.0
    p, q = d[4] - d[2], (d[3] - d[1]) * 2.0
    return [(d[0] - d[2]) * 4.0 + p, s + t, s - t, p + q, p - q, d[5] - d[3] - q * 2.0]


def synthesised(m: Sequence[T]) -> list[T]:
    """Aᵀ m, for six numbers m."""
    p, q, r, s = m[1] + m[2], m[1] - m[2], m[3] + m[4], m[3] - m[4]
    return [m[0] + p + r, q + s * 2.0, p + r * 4.0, m[5] + q + s * 8.0]


class Winograd:
    """A 3×3 correlation of stride 1 with fixed filters.

    Args:
        filters: (K, C, 3, 3), on the CPU.
        bias: (K,), or none. With a bias goes the ReLU: negative outputs are set to zero.
    """

    def __init__(self, filters: Tensor, bias: Tensor | None = None) -> None:
        K, C, dtype = filters.shape[0], filters.shape[1], filters.dtype
        self.bias = bias
        lanes = lanes_for(K, dtype)
        self.rows, self.across = _register_block(K // lanes)
        panels = torch.split(filters, self.across * lanes)
        self.filters = filters.new_empty(POINTS, len(panels), C, self.across * lanes)
        for number, panel in enumerate(panels):  # one by one, for they are large in float64
            self.filters[:, number] = _transformed(panel)

    def __call__(
        self,
        x: Tensor,
        workspace: Workspace,
        *,
        window: Window | None = None,
        reflect: bool = False,
        where: Tensor | None = None,
    ) -> Tensor:
        """Correlate a picture that goes on beyond its edge by zeros, or by reflection.

        Args:
            x: (1, C, H, W).
            workspace: where to calculate.
            window: rows and columns of the output, which may lie beyond the picture's; the
                picture's own, if none.
            reflect: for a window within the picture: what it sees around it is reflected.
            where: (1, C, H, W); `x` counts as zero where this is not positive.

        Returns:
            (1, K, h, w) of the window, channels innermost.
        """
        size = x.shape[2:]
        x, mask = innermost(x), innermost(x if where is None else where)
        window = window or (slice(0, size[0]), slice(0, size[1]))
        height, width = (part.stop - part.start for part in window)
        across = -(-width // OUTPUTS)
        tiles = -(-height // OUTPUTS) * across
        _, panels, C, wide = self.filters.shape
        K, block, dtype = panels * wide, tiles_at_a_time(tiles, C, x.dtype.itemsize), x.dtype
        analysis = _analysis(dtype, lanes_for(C, dtype), reflect, where is not None)
        product = _product(dtype, wide // self.across, self.rows, self.across)
        synthesis = _synthesis(dtype, wide // self.across, self.bias is not None)
        groups, threads = -(-block // self.rows), torch.get_num_threads()
        parts = min(-(-4 * threads // (POINTS * panels)), groups)  # so that threads have alike
        row = C + LINE // dtype.itemsize  # so that rows do not compete for places in the cache
        V, M = workspace.tensors(
            x, (POINTS, groups * self.rows, row), (groups * self.rows, POINTS, K)
        )
        V[:, block:] = 0
        out = x.new_empty(1, height, width, K)
        bias = out if self.bias is None else self.bias
        corner = (part.start - 1 for part in window)  # of what the first tile sees
        picture = (*corner, *size, *x.stride()[2:], *mask.stride()[2:])
        for first in _starts(tiles, block):
            analysis(block, x, mask, V, first, across, *picture, C, V.stride(0), row)
            product(
                POINTS * panels * parts, V, self.filters, M,
                groups, parts, panels, C, V.stride(0), row, K,
            )  # fmt: skip
            synthesis(block, M, bias, out, first, across, height, width, K)
        return out.permute(0, 3, 1, 2)


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


def tiles_at_a_time(tiles: int, channels: int, itemsize: int) -> int:
    """Tiles to transform at a time: not too many, not too few, and all blocks alike."""
    size = BLOCK * min(torch.get_num_threads(), MOST_BLOCKS)
    most = max(size // (POINTS * channels * itemsize), MANY_TILES)
    return -(-tiles // -(-tiles // most))


def _starts(tiles: int, block: int) -> Iterator[int]:
    """First tiles of blocks that cover all; the last may overlap the one before it."""
    return (min(first, tiles - block) for first in range(0, tiles, block))


def _register_block(vectors: int) -> tuple[int, int]:
    """Rows and vectors of a product that the processor holds at once, beside their factors.

    Args:
        vectors: of a whole row, of which the block's must be a part.
    """
    held = 24 if Processor.here().registers == 32 else 12
    across = next(n for n in (4, 3, 2, 1) if vectors % n == 0 and 6 * n <= held)
    return held // across, across


@cache
def _analysis(dtype: torch.dtype, lanes: int, reflect: bool, masked: bool) -> Kernel:
    """Bᵀ d B of tiles of the picture: (36, tiles, C)."""

    def body(
        code: Code, tile: Integer, x: Pointer, mask: Pointer, V: Pointer,
        first: Integer, across: Integer, above: Integer, beside: Integer,
        height: Integer, width: Integer, row: Integer, column: Integer,
        mask_row: Integer, mask_column: Integer, channels: Integer,
        point: Integer, place: Integer,
    ) -> None:  # fmt: skip
        top = (first + tile) // across * OUTPUTS + above
        left = (first + tile) % across * OUTPUTS + beside
        rows = [_placed(top + i, height, reflect) for i in range(INPUTS)]
        columns = [_placed(left + j, width, reflect) for j in range(INPUTS)]

        def transform(border: bool) -> None:
            def load(i: int, j: int, c: Integer) -> Vector:
                (y, row_there), (z, column_there) = rows[i], columns[j]
                if not border:
                    y, z = top + i, left + j
                d = x[y * row + z * column + c]
                if masked:
                    d = d.where(mask[y * mask_row + z * mask_column + c] > 0.0)
                return d.where(row_there & column_there) if border and not reflect else d

            with code.range(channels, step=code.lanes) as c:
                v = [analysed([load(i, j, c) for i in range(INPUTS)]) for j in range(INPUTS)]
                for i in range(INPUTS):
                    for j, value in enumerate(analysed([v[j][i] for j in range(INPUTS)])):
                        V[point * (INPUTS * i + j) + tile * place + c] = value

        inside = (top >= 0) & (left >= 0) & (top + INPUTS <= height) & (left + INPUTS <= width)
        with code.when(inside):
            transform(border=False)
        with code.when(~inside):
            transform(border=True)

    return Kernel(body, dtype, lanes)


def _placed(index: Integer, length: Integer, reflect: bool) -> tuple[Integer, Condition]:
    """Where the picture has an index beyond its edge, and whether it does."""
    there = (index >= 0) & (index < length)
    if reflect:
        index = index.maximum(index * -1)
        index = index.minimum((length - 1) * 2 - index)
    return index.maximum(0).minimum(length - 1), there


@cache
def _product(dtype: torch.dtype, lanes: int, rows: int, across: int) -> Kernel:
    """Of (tiles, C) by (C, K) for each point: (tiles, 36, K).

    An item is a panel of one point's filters, so narrow that it stays in the cache while all tiles
    pass, or a part of them; a block of the product, `rows` × `across` vectors, stays in registers
    over all of C.
    """

    def body(
        code: Code, item: Integer, V: Pointer, filters: Pointer, M: Pointer,
        groups: Integer, parts: Integer, panels: Integer, channels: Integer,
        point: Integer, place: Integer, outputs: Integer,
    ) -> None:  # fmt: skip
        part, item, wide = item % parts, item // parts, across * lanes
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
                    M[(tile * POINTS + at) * outputs + panel * wide + n * lanes] = next(summed)

    return Kernel(body, dtype, lanes)


@cache
def _synthesis(dtype: torch.dtype, lanes: int, activated: bool) -> Kernel:
    """Aᵀ m A of tiles, of which the picture takes what lies inside; with the bias and the ReLU."""

    def body(
        code: Code, tile: Integer, M: Pointer, bias: Pointer, out: Pointer,
        first: Integer, across: Integer, height: Integer, width: Integer, channels: Integer,
    ) -> None:  # fmt: skip
        of = tile * channels * POINTS
        top = (first + tile) // across * OUTPUTS
        left = (first + tile) % across * OUTPUTS

        def transform(border: bool) -> None:
            with code.range(channels, step=code.lanes) as c:
                m = [[M[of + channels * (INPUTS * i + j) + c] for i in range(INPUTS)]
                     for j in range(INPUTS)]  # fmt: skip
                r = [synthesised(column) for column in m]
                for i in range(OUTPUTS):
                    for j, value in enumerate(synthesised([column[i] for column in r])):
                        if activated:
                            value = (value + bias[c]).maximum(0.0)
                        to = ((top + i) * width + left + j) * channels + c
                        if border:
                            with code.when((top + i < height) & (left + j < width)):
                                out[to] = value
                        else:
                            out[to] = value

        inside = (top + OUTPUTS <= height) & (left + OUTPUTS <= width)
        with code.when(inside):
            transform(border=False)
        with code.when(~inside):
            transform(border=True)

    return Kernel(body, dtype, lanes)


def _transformed(filters: Tensor) -> Tensor:
    """G g Gᵀ, (36, C, K)."""
    g = torch.tensor(G, dtype=torch.float64)
    return torch.einsum("ia,kcab,jb->ijck", g, filters.double(), g).flatten(0, 1)
