"""Convolutions with fixed filters and ReLU, forward and backward."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vangram.kernels.gemm import Workspace
from vangram.kernels.jit import has_kernels
from vangram.kernels.window import Window
from vangram.kernels.winograd import TILE, Winograd

MIN_TILES = 16
"""Winograd tiles of a layer at least; with fewer, reading its filters, four times as large, costs
more than is saved."""


def fixed_convolutions(
    convs: Mapping[str, nn.Conv2d], *, reflect: bool
) -> dict[str, FixedConvolution]:
    """Convolutions of a network, which share their temporary memory.

    Args:
        convs: name -> filters (K, C, 3, 3) without gradients, and bias.
        reflect: pad by reflection; by zeros otherwise.
    """
    workspace = Workspace()
    return {name: FixedConvolution(conv, reflect, workspace) for name, conv in convs.items()}


class FixedConvolution:
    """ReLU of a 3×3 convolution of stride 1, and its gradient with respect to the input.

    The filters are never trained, and the gradient with respect to the input is a 3×3 convolution
    with the filters rotated and transposed: `Winograd` computes both where it is faster.

    Args:
        conv: filters (K, C, 3, 3) and bias.
        reflect: pad by reflection; by zeros otherwise.
        workspace: shared by all convolutions of a network.
    """

    def __init__(self, conv: nn.Conv2d, reflect: bool, workspace: Workspace) -> None:
        self.filters, self.bias = conv.weight, conv.bias
        self.reflect = reflect
        self.workspace = workspace

    def forward(
        self,
        x: Tensor,
        winograd: bool,
        window: Window | None = None,
        room: tuple[int, int] = (0, 0),
    ) -> Tensor:
        """ReLU(w ∗ x + b) of (1, C, h, w): (1, K, h, w), or a window of it.

        Args:
            x: input.
            winograd: allow Winograd's algorithm.
            window: rows and columns of the output; None: all.
            room: rows above and below the window that the result has as well, not computed.
        """
        window = window or _whole(x)
        if winograd and winograd_is_faster(self.filters):
            return self._forward(x, self.workspace, window=window, reflect=self.reflect, room=room)
        y = self._convolve(x, window)
        return F.pad(y, (0, 0, *room)) if any(room) else y

    def _convolve(self, x: Tensor, window: Window) -> Tensor:
        """`forward` by torch's convolution."""
        if not self.reflect and window == _whole(x):
            return F.conv2d(x, self.filters, self.bias, padding=1).relu_()
        inside, padding = [], []
        for part, length in zip(window, x.shape[2:], strict=True):
            first, last = part.start - 1, part.stop + 1
            inside.append(slice(max(first, 0), min(last, length)))
            padding.append((max(-first, 0), max(last - length, 0)))
        x = F.pad(
            x[:, :, inside[0], inside[1]],
            (*padding[1], *padding[0]),
            mode="reflect" if self.reflect else "constant",
        )
        return F.conv2d(x, self.filters, self.bias).relu_()

    def backward(
        self,
        grad: Tensor,
        y: Tensor,
        winograd: bool,
        window: Window | None = None,
        size: tuple[int, int] | None = None,
        wanted: slice | None = None,
    ) -> Tensor:
        """Gradient with respect to x, from that with respect to y = `forward(x, ...)`.

        Args:
            grad: like `y`; it may be overwritten.
            y: result of `forward`.
            winograd: as in `forward`.
            window: as in `forward`.
            size: (h, w) of x; None: that of `y`.
            wanted: rows of x whose gradient is computed; the others hold anything. Where they end
                before x does, x is a part of a larger image there, and is not padded. None: all.
        """
        rows, columns = window or _whole(y)
        height, width = size or (y.shape[2], y.shape[3])
        wanted = wanted or slice(0, height)
        margin = 1 if self.reflect else 0
        at_top, at_bottom = wanted.start == 0, wanted.stop == height
        # The margin's gradient is added to the rows beside it. Tiles start where the image's do,
        # at the margin, so that rounding is the same.
        first, last = wanted.start - margin, wanted.stop + margin * at_bottom
        top, bottom = -margin * at_top, height + margin * at_bottom
        inside = (  # window of the gradient, counted from the start of `grad`
            slice(first - rows.start, last - rows.start),
            slice(-margin - columns.start, width + margin - columns.start),
        )
        room = first - top, bottom - last
        if winograd and winograd_is_faster(self.filters.transpose(0, 1)):
            x = self._backward(grad, self.workspace, window=inside, mask=y, room=room)
        else:
            within = all(
                part.start >= 0 and part.stop <= length
                for part, length in zip(inside, y.shape[2:], strict=True)
            )
            beyond = 0 if within else 1
            x = F.conv2d(relu_grad(grad, y), self._adjoint, padding=1 + beyond)
            above, left = (-beyond - part.start for part in inside)
            below, right = (
                part.stop - length - beyond
                for part, length in zip(inside, y.shape[2:], strict=True)
            )
            edges = left, right, above + room[0], below + room[1]
            x = F.pad(x, edges) if any(edges) else x
        return _fold_margins(x, top=at_top, bottom=at_bottom) if self.reflect else x

    @cached_property
    def _adjoint(self) -> Tensor:
        return _adjoint(self.filters).contiguous(memory_format=torch.channels_last)

    @cached_property
    def _forward(self) -> Winograd:
        return Winograd(self.filters, self.bias)

    @cached_property
    def _backward(self) -> Winograd:
        return Winograd(_adjoint(self.filters))


def _adjoint(filters: Tensor) -> Tensor:
    """Filters of the gradient's convolution: rotated by 180°, inputs and outputs transposed."""
    return filters.flip(2, 3).transpose(0, 1)


def winograd_is_faster(filters: Tensor) -> bool:
    """Whether `Winograd` beats torch's convolution for such filters (`benchmarks.convolution`).

    Measured on a CPU, it takes 0.35 of torch's time for 512 channels, 0.5 for 64, 0.8 for 32; for
    16 the transforms cost more than is saved. On a GPU it takes 0.3 for 512 channels, 0.6 for 64.
    """
    outputs, channels = filters.shape[:2]
    return (
        has_kernels(filters) and filters.dtype == torch.float32 and channels > 16 and outputs >= 16
    )


def winograd_has_room(size: tuple[int, int]) -> bool:
    """Whether a layer of (h, w) positions has enough tiles for Winograd."""
    return math.prod(-(-length // TILE) for length in size) >= MIN_TILES


def _whole(x: Tensor) -> Window:
    return slice(0, x.shape[2]), slice(0, x.shape[3])


def relu_grad(grad: Tensor, y: Tensor) -> Tensor:
    """Gradient with respect to x of y = ReLU(x): `grad` where y > 0, zero elsewhere, in place.

    Args:
        grad: with respect to y; overwritten.
        y: of the same shape.
    """
    masked: Tensor = torch.ops.aten.threshold_backward.grad_input(grad, y, 0, grad_input=grad)
    return masked


def _fold_margins(x: Tensor, *, top: bool, bottom: bool) -> Tensor:
    """Gradient of padding by reflection by one: a margin's gradient is added to its source.

    Args:
        x: with margins at the left and right.
        top: whether it has one there.
        bottom: likewise.
    """
    for axis, (before, after) in ((2, (top, bottom)), (3, (True, True))):
        if before:
            x.select(axis, 2).add_(x.select(axis, 0))
        if after:
            x.select(axis, -3).add_(x.select(axis, -1))
        x = x.narrow(axis, int(before), x.shape[axis] - before - after)
    return x
