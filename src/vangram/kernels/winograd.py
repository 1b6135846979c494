"""Winograd's convolution F(4×4, 3×3): four times fewer multiplications, for fixed filters.

Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks": each 4×4 outputs of a 3×3
correlation with filters g are Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A, where d are the 6×6 inputs under them.
Over channels the elementwise product becomes 36 matrix products, which take most of the time. The
filters are transformed once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

from vangram.kernels.codegen import Condition, Integer, KernelBuilder, Pointer, Vector
from vangram.kernels.gemm import CPUGemm, GPUGemm, Workspace
from vangram.kernels.jit import Kernel, channels_last, lanes_for
from vangram.kernels.window import Window

TILE = 4
"""Outputs of a tile along either axis."""
INPUT_TILE = TILE + 2
"""Inputs under a tile along either axis."""
POINTS = INPUT_TILE * INPUT_TILE
"""Products per tile, input and output channel, where a direct convolution has 144."""

G = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
"""Transform of the filters; interpolation at 0, ±1, ±2 and infinity."""
FILTERS_AT_ONCE = 64
"""Filters transformed at once; those of 512 × 512 channels would take 75 MB in float64."""

T = TypeVar("T", Vector, Tensor)


def transform_input(d: Sequence[T]) -> list[T]:
    """Bᵀ d, for six inputs d."""
    s, t = d[4] - d[2] * 4.0, d[3] - d[1] * 4.0
    p, q = d[4] - d[2], (d[3] - d[1]) * 2.0
    return [(d[0] - d[2]) * 4.0 + p, s + t, s - t, p + q, p - q, d[5] - d[3] - q * 2.0]


def transform_output(m: Sequence[T]) -> list[T]:
    """Aᵀ m, for six products m."""
    p, q, r, s = m[1] + m[2], m[1] - m[2], m[3] + m[4], m[3] - m[4]
    return [m[0] + p + r, q + s * 2.0, p + r * 4.0, m[5] + q + s * 8.0]


class Winograd:
    """A 3×3 correlation of stride 1 with fixed filters.

    Args:
        filters: (K, C, 3, 3).
        bias: (K,). With a bias a ReLU follows; None: neither.
    """

    def __init__(self, filters: Tensor, bias: Tensor | None = None) -> None:
        self.outputs, self.channels = filters.shape[:2]
        self.bias = bias
        self.multiply = (GPUGemm if filters.is_cuda else CPUGemm)(_transform_filters(filters))

    def __call__(
        self,
        x: Tensor,
        workspace: Workspace,
        *,
        window: Window | None = None,
        reflect: bool = False,
        mask: Tensor | None = None,
        room: tuple[int, int] = (0, 0),
    ) -> Tensor:
        """Correlate an image padded by zeros, or by reflection.

        Args:
            x: (1, C, H, W).
            workspace: memory for intermediate results.
            window: rows and columns of the output, which may extend beyond the image; None: the
                image's own.
            reflect: pad by reflection; the window must lie within the image.
            mask: (1, C, H, W); `x` counts as zero where this is not positive.
            room: rows above and below the window that the result has as well, not computed.

        Returns:
            (1, K, h, w) for the window with its room, channels last in memory.
        """
        size = x.shape[2:]
        x, positive = channels_last(x), channels_last(x if mask is None else mask)
        window = window or (slice(0, size[0]), slice(0, size[1]))
        height, width = (part.stop - part.start for part in window)
        across = -(-width // TILE)
        tiles = -(-height // TILE) * across
        C, K = self.channels, self.outputs
        block = self.multiply.tiles_per_block(tiles)
        V, M = self.multiply.buffers(block, workspace)
        input_kernel = _input_kernel(x.dtype, lanes_for(C, x.dtype), reflect, mask is not None)
        output_kernel = _output_kernel(x.dtype, lanes_for(K, x.dtype), self.bias is not None)
        above, below = room
        everything = x.new_empty(1, above + height + below, width, K)
        out = everything[:, above : above + height]
        bias = out if self.bias is None else self.bias
        corner = (part.start - 1 for part in window)  # of the first tile's inputs
        layout = (*corner, *size, *x.stride()[2:], *positive.stride()[2:])
        for first in _block_starts(tiles, block):
            input_kernel(block, x, positive, V, first, across, *layout, C, *V.stride()[:2])
            self.multiply(V, M)
            output_kernel(block, M, bias, out, first, across, height, width, K, *M.stride()[:2])
        return everything.permute(0, 3, 1, 2)


def _block_starts(tiles: int, block: int) -> Iterator[int]:
    """First tile of each block; the last block may overlap the one before it."""
    return (min(first, tiles - block) for first in range(0, tiles, block))


@cache
def _input_kernel(dtype: torch.dtype, lanes: int, reflect: bool, masked: bool) -> Kernel:
    """Kernel of Bᵀ d B for tiles of the image: (36, tiles, C)."""

    def body(
        kernel: KernelBuilder, tile: Integer, x: Pointer, mask: Pointer, V: Pointer,
        first: Integer, across: Integer, above: Integer, left_of: Integer,
        height: Integer, width: Integer, row: Integer, column: Integer,
        mask_row: Integer, mask_column: Integer, channels: Integer,
        point_stride: Integer, tile_stride: Integer,
    ) -> None:  # fmt: skip
        top = (first + tile) // across * TILE + above
        left = (first + tile) % across * TILE + left_of
        rows = [_source(top + i, height, reflect) for i in range(INPUT_TILE)]
        columns = [_source(left + j, width, reflect) for j in range(INPUT_TILE)]

        def transform(border: bool) -> None:
            def load(i: int, j: int, c: Integer) -> Vector:
                (y, row_inside), (z, column_inside) = rows[i], columns[j]
                if not border:
                    y, z = top + i, left + j
                d = x[y * row + z * column + c]
                if masked:
                    d = d.where(mask[y * mask_row + z * mask_column + c] > 0.0)
                return d.where(row_inside & column_inside) if border and not reflect else d

            with kernel.vectors(channels) as c:
                v = [
                    transform_input([load(i, j, c) for i in range(INPUT_TILE)])
                    for j in range(INPUT_TILE)
                ]
                for i in range(INPUT_TILE):
                    row_of_v = transform_input([v[j][i] for j in range(INPUT_TILE)])
                    for j, value in enumerate(row_of_v):
                        V[point_stride * (INPUT_TILE * i + j) + tile * tile_stride + c] = value

        inside = (
            (top >= 0) & (left >= 0) & (top + INPUT_TILE <= height) & (left + INPUT_TILE <= width)
        )
        with kernel.when(inside):
            transform(border=False)
        with kernel.when(~inside):
            transform(border=True)

    return Kernel(body, dtype, lanes)


def _source(index: Integer, length: Integer, reflect: bool) -> tuple[Integer, Condition]:
    """(index into the image after reflection or clamping, whether `index` lies in the image)."""
    inside = (index >= 0) & (index < length)
    if reflect:
        index = index.maximum(index * -1)
        index = index.minimum((length - 1) * 2 - index)
    return index.maximum(0).minimum(length - 1), inside


@cache
def _output_kernel(dtype: torch.dtype, lanes: int, activated: bool) -> Kernel:
    """Kernel of Aᵀ m A for tiles, cropped to the output; with bias and ReLU if `activated`."""

    def body(
        kernel: KernelBuilder, tile: Integer, M: Pointer, bias: Pointer, out: Pointer,
        first: Integer, across: Integer, height: Integer, width: Integer, channels: Integer,
        point_stride: Integer, tile_stride: Integer,
    ) -> None:  # fmt: skip
        top = (first + tile) // across * TILE
        left = (first + tile) % across * TILE

        def transform(border: bool) -> None:
            with kernel.vectors(channels) as c:
                m = [
                    [
                        M[point_stride * (INPUT_TILE * i + j) + tile * tile_stride + c]
                        for i in range(INPUT_TILE)
                    ]
                    for j in range(INPUT_TILE)
                ]
                columns = [transform_output(column) for column in m]
                for i in range(TILE):
                    row = transform_output([column[i] for column in columns])
                    for j, value in enumerate(row):
                        if activated:
                            value = (value + bias[c]).maximum(0.0)
                        offset = ((top + i) * width + left + j) * channels + c
                        if border:
                            with kernel.when((top + i < height) & (left + j < width)):
                                out[offset] = value
                        else:
                            out[offset] = value

        inside = (top + TILE <= height) & (left + TILE <= width)
        with kernel.when(inside):
            transform(border=False)
        with kernel.when(~inside):
            transform(border=True)

    return Kernel(body, dtype, lanes)


def _transform_filters(filters: Tensor) -> Tensor:
    """G g Gᵀ, (36, C, K), computed in float64."""
    out = filters.new_empty(POINTS, *filters.shape[1::-1])
    g = torch.tensor(G, dtype=torch.float64, device=filters.device)
    chunks = zip(
        torch.split(filters, FILTERS_AT_ONCE),
        torch.split(out, FILTERS_AT_ONCE, dim=2),
        strict=True,
    )
    for chunk, into in chunks:
        into.copy_(torch.einsum("ia,kcab,jb->ijck", g, chunk.double(), g).flatten(0, 1))
    return out
