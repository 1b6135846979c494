"""Winograd's convolution F(4×4, 3×3): four times fewer multiplications, for filters that are fixed.

Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks": each 4×4 outputs of a 3×3
correlation with filters g are Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A, where d are the 6×6 inputs that they see.
Over channels the elementwise product becomes 36 matrix products, which is where the time goes. The
filters are transformed once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

OUTPUTS = 4
"""Of a tile, along either axis."""
INPUTS = OUTPUTS + 2
"""That a tile's outputs see."""
POINTS = INPUTS * INPUTS
"""Products for each tile, input and output channel, where a plain convolution has 144."""
FEWEST_TILES = 64
"""In one product. Below it oneDNN wants the filters in another order and copies them each time."""
BLOCK = 8 * 2**20
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
ALL_ONES = 1
"""The point 1, whose row of A is all ones: what is added there is added to every output."""

Load = Callable[[slice, Tensor], object]
"""Copies rows of a picture (H, W, C) to where it is told."""


class Winograd:
    """A 3×3 correlation of stride 1 with fixed filters.

    Args:
        filters: (K, C, 3, 3).
        bias: (K,), or none.
    """

    def __init__(self, filters: Tensor, bias: Tensor | None = None) -> None:
        self.channels = filters.shape[1]
        self.outputs = filters.shape[0]
        self.like = filters.new_empty(0)
        transformed = _transformed(filters)
        self.bias: Tensor | None = None
        if bias is not None:
            grid = bias.new_zeros(INPUTS, INPUTS, self.outputs)
            grid[ALL_ONES, ALL_ONES] = bias
            self.bias = grid.flatten()
        self.packed = _packed(transformed)
        self.filters = transformed if self.packed is None else None  # (36 K, C, 1, 1)

    def __call__(
        self, load: Load, size: tuple[int, int], margin: int, workspace: Workspace,
        *, reflect: bool = False, relu: bool = False,
    ) -> Tensor:  # fmt: skip
        """Correlate a picture that lies on `margin` zeros, or its own reflection, on every side.

        Args:
            load: gives the picture's rows.
            size: (H, W) of the picture.
            margin: 1 for an output of the same size, 2 for one that is 2 larger.
            workspace: where to calculate.
            reflect: a margin of 1 continues the picture by reflection.
            relu: set negative outputs to zero.

        Returns:
            (1, K, H + 2 margin − 2, W + 2 margin − 2), channels innermost.
        """
        height, width = (length + 2 * margin - 2 for length in size)
        down, across = -(-height // OUTPUTS), -(-width // OUTPUTS)
        rows = rows_of_tiles(down, across, self.channels, self.like.element_size())
        C, K = self.channels, self.outputs
        wide = OUTPUTS * across + 2
        d, v, products, r, Y, *scratch = workspace.tensors(
            self.like,
            (OUTPUTS * rows + 2, wide, C),
            (INPUTS, rows, wide, C),
            (max(rows * across, FEWEST_TILES), INPUTS, INPUTS, C),
            (OUTPUTS, rows, across, INPUTS, K),
            (rows, OUTPUTS, across, OUTPUTS, K),
            (2, rows, wide, C),
            (2, INPUTS, rows, across, C),
            (4, rows, across, INPUTS, K),
            (4, OUTPUTS, rows, across, K),
        )
        out = self.like.new_empty(1, height, width, K)
        tile_rows = [d[i : i + OUTPUTS * rows - 3 : OUTPUTS] for i in range(INPUTS)]
        tile_columns = [v[:, :, j : j + wide - 5 : OUTPUTS] for j in range(INPUTS)]
        V = products[: rows * across].view(rows, across, INPUTS, INPUTS, C)
        products[rows * across :] = 0
        d[:, :margin], d[:, margin + size[1] :] = 0, 0
        for first in _starts(down, rows):
            _fill(d, load, size, OUTPUTS * first - margin, margin, reflect)
            _analyse(tile_rows, v, scratch[0])
            _analyse(tile_columns, V.permute(3, 2, 0, 1, 4), scratch[1])
            M = self._multiply(products)[: rows * across].view(rows, across, INPUTS, INPUTS, K)
            _synthesise(M.unbind(2), r, scratch[2])
            _synthesise(r.unbind(3), Y.permute(3, 1, 0, 2, 4), scratch[3])
            if relu:
                Y.clamp_min_(0)
            part = out[0, OUTPUTS * first : OUTPUTS * (first + rows)]
            part.copy_(Y.view(-1, OUTPUTS * across, K)[: len(part), :width])
        return out.permute(0, 3, 1, 2)

    def _multiply(self, V: Tensor) -> Tensor:
        """The 36 products of (tiles, C) by (C, K), as a 1×1 convolution in 36 groups."""
        x = V.view(1, -1, 1, POINTS * self.channels).permute(0, 3, 1, 2)
        if self.packed is None:
            assert self.filters is not None
            product = F.conv2d(x, self.filters, self.bias, groups=POINTS)
        else:
            product = torch.ops.mkldnn._convolution_pointwise(
                x, self.packed, self.bias, [0, 0], [1, 1], [1, 1], POINTS, "none", [], ""
            )
        return product[0, :, :, 0].T.view(-1, INPUTS, INPUTS, self.outputs)


class Workspace:
    """Memory that is used again and again: fresh pages would cost as much as the arithmetic."""

    def __init__(self) -> None:
        self.memory: Tensor | None = None

    def tensors(self, like: Tensor, *shapes: tuple[int, ...]) -> list[Tensor]:
        """Tensors of these shapes, with whatever is in them; good until the next call."""
        counts = [math.prod(shape) for shape in shapes]
        total, memory = sum(counts), self.memory
        if (
            memory is None
            or len(memory) < total
            or (memory.dtype, memory.device) != (like.dtype, like.device)
        ):
            self.memory = None  # so that the old and the new are never there together
            self.memory = memory = like.new_empty(total)
        parts = torch.split(memory[:total], counts)
        return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def rows_of_tiles(down: int, across: int, channels: int, itemsize: int) -> int:
    """Rows of tiles to transform at a time: within `BLOCK`, not too few, and all blocks alike."""
    row = across * POINTS * channels * itemsize
    rows = max(BLOCK // row, -(-FEWEST_TILES // across), 1)
    return -(-down // -(-down // rows))


def _starts(down: int, rows: int) -> list[int]:
    """First rows of blocks that cover all; the last may overlap the one before it."""
    return [min(first, down - rows) for first in range(0, down, rows)]


def _fill(
    d: Tensor, load: Load, size: tuple[int, int], first: int, margin: int, reflect: bool
) -> None:
    """Rows of the picture from `first` on, inside the margins that `d` has left and right."""
    height, width = size
    rows = slice(max(first, 0), min(first + len(d), height))
    d[: rows.start - first].zero_()
    d[rows.stop - first :].zero_()
    load(rows, d[rows.start - first : rows.stop - first, margin : margin + width])
    if reflect:
        d[:, 0], d[:, width + 1] = d[:, 2], d[:, width - 1]
        if first < 0:
            d[0] = d[2]
        if first + len(d) > height:
            d[height - first] = d[height - first - 2]


def _analyse(d: Sequence[Tensor], v: Sequence[Tensor] | Tensor, scratch: Tensor) -> None:
    """Bᵀ d, for six tensors d, in twelve passes."""
    s, t = scratch
    torch.sub(d[4], d[2], alpha=4, out=s)
    torch.sub(d[3], d[1], alpha=4, out=t)
    torch.add(s, t, out=v[1])
    torch.sub(s, t, out=v[2])
    torch.sub(d[4], d[2], out=s)
    torch.sub(d[3], d[1], out=t)
    torch.add(s, t, alpha=2, out=v[3])
    torch.sub(s, t, alpha=2, out=v[4])
    torch.sub(d[0], d[2], out=v[0])
    torch.add(s, v[0], alpha=4, out=v[0])
    torch.sub(d[5], d[3], out=v[5])
    torch.sub(v[5], t, alpha=4, out=v[5])


def _synthesise(m: Sequence[Tensor], y: Sequence[Tensor] | Tensor, scratch: Tensor) -> None:
    """Aᵀ m, for six tensors m, in ten passes."""
    p, q, r, s = scratch
    torch.add(m[1], m[2], out=p)
    torch.sub(m[1], m[2], out=q)
    torch.add(m[3], m[4], out=r)
    torch.sub(m[3], m[4], out=s)
    torch.add(m[0], p, out=y[0])
    torch.add(y[0], r, out=y[0])
    torch.add(q, s, alpha=2, out=y[1])
    torch.add(p, r, alpha=4, out=y[2])
    torch.add(m[5], q, out=y[3])
    torch.add(y[3], s, alpha=8, out=y[3])


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
