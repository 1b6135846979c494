"""Winograd's convolution F(4×4, 3×3): four times fewer multiplications, for filters that are fixed.

Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks": each 4×4 outputs of a 3×3
correlation with filters g are Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A, where d are the 6×6 inputs that they see.
Over channels the elementwise product becomes 36 matrix products, which is where the time goes. The
filters are transformed once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from vangram.networks.compiled import (
    Code,
    Condition,
    Integer,
    Kernel,
    Pointer,
    Vector,
    innermost,
    lanes_for,
)

OUTPUTS = 4
"""Of a tile, along either axis."""
INPUTS = OUTPUTS + 2
"""That a tile's outputs see."""
POINTS = INPUTS * INPUTS
"""Products for each tile, input and output channel, where a plain convolution has 144."""
FEWEST_TILES = 64
"""In one product. Below it oneDNN wants the filters in another order and copies them each time."""
BLOCK = 4 * 2**20
"""Bytes of transformed inputs at a time, so that they are still in the cache when multiplied."""

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
        filters: (K, C, 3, 3).
        bias: (K,), or none. With a bias goes the ReLU: negative outputs are set to zero.
    """

    def __init__(self, filters: Tensor, bias: Tensor | None = None) -> None:
        self.channels, self.outputs = filters.shape[1], filters.shape[0]
        self.bias = bias
        transformed = _transformed(filters)
        self.packed = _packed(transformed)
        self.filters = transformed if self.packed is None else None  # (36 K, C, 1, 1)

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
        C, K, dtype, size = self.channels, self.outputs, x.dtype, x.shape[2:]
        x, mask = innermost(x), innermost(x if where is None else where)
        window = window or (slice(0, size[0]), slice(0, size[1]))
        height, width = (part.stop - part.start for part in window)
        corner = (part.start - 1 for part in window)  # of what the first tile sees
        across = -(-width // OUTPUTS)
        tiles = -(-height // OUTPUTS) * across
        block = tiles_at_a_time(tiles, C, dtype.itemsize)
        V = workspace.tensor(x, (max(block, FEWEST_TILES), POINTS * C))
        V[block:] = 0
        out = x.new_empty(1, height, width, K)
        analysis = _analysis(dtype, lanes_for(C, dtype), reflect, where is not None)
        synthesis = _synthesis(dtype, lanes_for(K, dtype), self.bias is not None)
        picture = (*corner, *size, *x.stride()[2:], *mask.stride()[2:], C)
        for first in _starts(tiles, block):
            analysis(block, x, mask, V, first, across, *picture)
            M = self._multiply(V)
            bias = M if self.bias is None else self.bias
            synthesis(block, M, bias, out, first, across, height, width, K)
        return out.permute(0, 3, 1, 2)

    def _multiply(self, V: Tensor) -> Tensor:
        """The 36 products of (tiles, C) by (C, K), as a 1×1 convolution in 36 groups."""
        x = V.view(1, len(V), 1, -1).permute(0, 3, 1, 2)
        if self.packed is None:
            assert self.filters is not None
            product = F.conv2d(x, self.filters, groups=POINTS)
        else:
            product = torch.ops.mkldnn._convolution_pointwise(
                x, self.packed, None, [0, 0], [1, 1], [1, 1], POINTS, "none", [], ""
            )
        return product[0, :, :, 0].T.contiguous()


class Workspace:
    """Memory that is used again and again: fresh pages would cost as much as the arithmetic."""

    def __init__(self) -> None:
        self.memory: Tensor | None = None

    def tensor(self, like: Tensor, shape: tuple[int, ...]) -> Tensor:
        """A tensor of this shape, with whatever is in it; good until the next call."""
        total, memory = math.prod(shape), self.memory
        if memory is None or len(memory) < total or memory.dtype != like.dtype:
            self.memory = None  # so that the old and the new are never there together
            self.memory = memory = like.new_empty(total)
        return memory[:total].view(shape)


def tiles_at_a_time(tiles: int, channels: int, itemsize: int) -> int:
    """Tiles to transform at a time: within `BLOCK`, not too few, and all blocks alike."""
    most = max(BLOCK // (POINTS * channels * itemsize), FEWEST_TILES)
    return -(-tiles // -(-tiles // most))


def _starts(tiles: int, block: int) -> Iterator[int]:
    """First tiles of blocks that cover all; the last may overlap the one before it."""
    return (min(first, tiles - block) for first in range(0, tiles, block))


@cache
def _analysis(dtype: torch.dtype, lanes: int, reflect: bool, masked: bool) -> Kernel:
    """Bᵀ d B of tiles of the picture, (tiles, 6, 6, C)."""

    def body(
        code: Code, tile: Integer, x: Pointer, mask: Pointer, V: Pointer,
        first: Integer, across: Integer, above: Integer, beside: Integer,
        height: Integer, width: Integer, row: Integer, column: Integer, mask_row: Integer, mask_column: Integer, channels: Integer,
    ) -> None:  # fmt: skip
        to = tile * channels * POINTS
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
                        V[to + channels * (INPUTS * i + j) + c] = value

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
    """G g Gᵀ as a 1×1 convolution in 36 groups: (36 K, C, 1, 1)."""
    g = torch.tensor(G, dtype=torch.float64, device=filters.device)
    points = torch.einsum("ia,kcab,jb->ijkc", g, filters.double(), g)
    return points.to(filters.dtype).reshape(-1, filters.shape[1], 1, 1).contiguous()


def _packed(filters: Tensor) -> Tensor | None:
    """The filters in oneDNN's own order, or none where torch has no oneDNN for them.

    Unpacked, they are copied into that order at every call, which takes as long as the product.
    """
    if not onednn_takes(filters):
        return None
    size = [1, POINTS * filters.shape[1], 4 * FEWEST_TILES, 1]
    packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
        filters, [0, 0], [1, 1], [1, 1], POINTS, size
    )
    return packed


def onednn_takes(tensor: Tensor) -> bool:
    """Whether torch has oneDNN, and its packed convolutions, for such a tensor."""
    here: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return (
        here
        and (tensor.device.type, tensor.dtype) == ("cpu", torch.float32)
        and hasattr(torch.ops.mkldnn, "_reorder_convolution_weight")
    )
