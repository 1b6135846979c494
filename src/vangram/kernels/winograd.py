"""Winograd's convolution F(4×4, 3×3): four times fewer multiplications, for filters that are fixed.

Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks": each 4×4 outputs of a 3×3
correlation with filters g are Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A, where d are the 6×6 inputs that they see.
Over channels the elementwise product becomes 36 matrix products, which is where the time goes. The
filters are transformed once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

from vangram.kernels.gemm import OnGPU, OnProcessor, Workspace
from vangram.kernels.jit import Kernel, channels_last, lanes_for
from vangram.kernels.language import Code, Condition, Integer, Pointer, Vector
from vangram.kernels.window import Window

TILE = 4
"""Of a tile, along either axis."""
INPUT_TILE = TILE + 2
"""That a tile's outputs see."""
POINTS = INPUT_TILE * INPUT_TILE
"""Products for each tile, input and output channel, where a plain convolution has 144."""

G = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
"""Of the filters; interpolation at 0, ±1, ±2 and infinity."""
PIECE = 64
"""Filters that are transformed at a time, for they are large in float64."""

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
        filters: (K, C, 3, 3).
        bias: (K,), or none. With a bias goes the ReLU: negative outputs are set to zero.
    """

    def __init__(self, filters: Tensor, bias: Tensor | None = None) -> None:
        self.outputs, self.channels = filters.shape[:2]
        self.bias = bias
        self.multiply = (OnGPU if filters.is_cuda else OnProcessor)(_transformed(filters))

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
        x, mask = channels_last(x), channels_last(x if where is None else where)
        window = window or (slice(0, size[0]), slice(0, size[1]))
        height, width = (part.stop - part.start for part in window)
        across = -(-width // TILE)
        tiles = -(-height // TILE) * across
        C, K = self.channels, self.outputs
        block = self.multiply.at_a_time(tiles)
        V, M = self.multiply.tensors(block, workspace)
        analysis = _analysis(x.dtype, lanes_for(C, x.dtype), reflect, where is not None)
        synthesis = _synthesis(x.dtype, lanes_for(K, x.dtype), self.bias is not None)
        out = x.new_empty(1, height, width, K)
        bias = out if self.bias is None else self.bias
        corner = (part.start - 1 for part in window)  # of what the first tile sees
        picture = (*corner, *size, *x.stride()[2:], *mask.stride()[2:])
        for first in _starts(tiles, block):
            analysis(block, x, mask, V, first, across, *picture, C, *V.stride()[:2])
            self.multiply(V, M)
            synthesis(block, M, bias, out, first, across, height, width, K, *M.stride()[:2])
        return out.permute(0, 3, 1, 2)


def _starts(tiles: int, block: int) -> Iterator[int]:
    """First tiles of blocks that cover all; the last may overlap the one before it."""
    return (min(first, tiles - block) for first in range(0, tiles, block))


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
        top = (first + tile) // across * TILE + above
        left = (first + tile) % across * TILE + beside
        rows = [_placed(top + i, height, reflect) for i in range(INPUT_TILE)]
        columns = [_placed(left + j, width, reflect) for j in range(INPUT_TILE)]

        def transform(border: bool) -> None:
            def load(i: int, j: int, c: Integer) -> Vector:
                (y, row_there), (z, column_there) = rows[i], columns[j]
                if not border:
                    y, z = top + i, left + j
                d = x[y * row + z * column + c]
                if masked:
                    d = d.where(mask[y * mask_row + z * mask_column + c] > 0.0)
                return d.where(row_there & column_there) if border and not reflect else d

            with code.vectors(channels) as c:
                v = [
                    analysed([load(i, j, c) for i in range(INPUT_TILE)]) for j in range(INPUT_TILE)
                ]
                for i in range(INPUT_TILE):
                    for j, value in enumerate(analysed([v[j][i] for j in range(INPUT_TILE)])):
                        V[point * (INPUT_TILE * i + j) + tile * place + c] = value

        inside = (
            (top >= 0) & (left >= 0) & (top + INPUT_TILE <= height) & (left + INPUT_TILE <= width)
        )
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
def _synthesis(dtype: torch.dtype, lanes: int, activated: bool) -> Kernel:
    """Aᵀ m A of tiles, of which the picture takes what lies inside; with the bias and the ReLU."""

    def body(
        code: Code, tile: Integer, M: Pointer, bias: Pointer, out: Pointer,
        first: Integer, across: Integer, height: Integer, width: Integer, channels: Integer,
        point: Integer, place: Integer,
    ) -> None:  # fmt: skip
        top = (first + tile) // across * TILE
        left = (first + tile) % across * TILE

        def transform(border: bool) -> None:
            with code.vectors(channels) as c:
                m = [[M[point * (INPUT_TILE * i + j) + tile * place + c] for i in range(INPUT_TILE)]
                     for j in range(INPUT_TILE)]  # fmt: skip
                r = [synthesised(column) for column in m]
                for i in range(TILE):
                    for j, value in enumerate(synthesised([column[i] for column in r])):
                        if activated:
                            value = (value + bias[c]).maximum(0.0)
                        to = ((top + i) * width + left + j) * channels + c
                        if border:
                            with code.when((top + i < height) & (left + j < width)):
                                out[to] = value
                        else:
                            out[to] = value

        inside = (top + TILE <= height) & (left + TILE <= width)
        with code.when(inside):
            transform(border=False)
        with code.when(~inside):
            transform(border=True)

    return Kernel(body, dtype, lanes)


def _transformed(filters: Tensor) -> Tensor:
    """G g Gᵀ, (36, C, K)."""
    out = filters.new_empty(POINTS, *filters.shape[1::-1])
    g = torch.tensor(G, dtype=torch.float64, device=filters.device)
    pieces = zip(torch.split(filters, PIECE), torch.split(out, PIECE, dim=2), strict=True)
    for piece, into in pieces:
        into.copy_(torch.einsum("ia,kcab,jb->ijck", g, piece.double(), g).flatten(0, 1))
    return out
