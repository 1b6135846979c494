"""A convolution whose filters never change: ReLU of it, and the gradient's way back."""

from __future__ import annotations

import math
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vangram.kernels import TILE, Window, Winograd, Workspace, has_kernels

FEWEST_TILES = 16
"""Of Winograd's; for fewer its filters, four times as large, take too long to read."""


class FixedConvolution:
    """ReLU of a 3×3 convolution of stride 1, and its gradient to the input.

    No gradient of the filters is ever wanted, and that to the input is a 3×3 convolution with the
    filters turned and transposed: `Winograd` serves both ways, where it is the faster one.

    Args:
        conv: the filters (K, C, 3, 3) and the bias.
        reflect: whether pictures go on by reflection beyond their edge; by zeros otherwise.
        workspace: shared by all convolutions of a network.
    """

    def __init__(self, conv: nn.Conv2d, reflect: bool, workspace: Workspace) -> None:
        self.filters, self.bias = conv.weight, conv.bias
        self.reflect = reflect
        self.workspace = workspace

    def forward(self, x: Tensor, fast: bool, window: Window | None = None) -> Tensor:
        """ReLU(w ∗ x + b) for (1, C, h, w): (1, K, h, w), or the part that is wanted.

        Args:
            x: the picture.
            fast: where Winograd may be used.
            window: rows and columns of the output; all, if none.
        """
        window = window or _all_of(x)
        if fast and winograd_is_faster(self.filters):
            return self._forward(x, self.workspace, window=window, reflect=self.reflect)
        if not self.reflect and window == _all_of(x):
            return F.conv2d(x, self.filters, self.bias, padding=1).relu_()
        seen, beyond = [], []
        for part, length in zip(window, x.shape[2:], strict=True):
            first, last = part.start - 1, part.stop + 1
            seen.append(slice(max(first, 0), min(last, length)))
            beyond.append((max(-first, 0), max(last - length, 0)))
        x = F.pad(
            x[:, :, seen[0], seen[1]],
            (*beyond[1], *beyond[0]),
            mode="reflect" if self.reflect else "constant",
        )
        return F.conv2d(x, self.filters, self.bias).relu_()

    def backward(
        self,
        slope: Tensor,
        y: Tensor,
        fast: bool,
        window: Window | None = None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        """Gradient with respect to x, from that with respect to y = `forward(x, fast, window)`.

        Args:
            slope: like `y`; it may be overwritten.
            y: what `forward` gave.
            fast: as there.
            window: as there.
            size: (h, w) of x; that of `y`, if none.
        """
        rows, columns = window or _all_of(y)
        height, width = size or (y.shape[2], y.shape[3])
        margin = 1 if self.reflect else 0
        wanted = (  # of the gradient, counted from where `slope` begins
            slice(-margin - rows.start, height + margin - rows.start),
            slice(-margin - columns.start, width + margin - columns.start),
        )
        if fast and winograd_is_faster(self.filters.transpose(0, 1)):
            x = self._backward(slope, self.workspace, window=wanted, where=y)
        elif wanted == _all_of(y):
            x = F.conv2d(relu_grad(slope, y, slope), self._turned, padding=1)
        else:
            x = F.conv2d(relu_grad(slope, y, slope), self._turned, padding=2)
            above, left = (-1 - part.start for part in wanted)
            below, right = (
                part.stop - length - 1 for part, length in zip(wanted, y.shape[2:], strict=True)
            )
            x = F.pad(x, (left, right, above, below))
        return _folded(x) if self.reflect else x

    @cached_property
    def _turned(self) -> Tensor:
        return _turned(self.filters).contiguous(memory_format=torch.channels_last)

    @cached_property
    def _forward(self) -> Winograd:
        return Winograd(self.filters, self.bias)

    @cached_property
    def _backward(self) -> Winograd:
        return Winograd(_turned(self.filters))


def _turned(filters: Tensor) -> Tensor:
    """What takes a gradient back to the input: turned around, outputs for inputs."""
    return filters.flip(2, 3).transpose(0, 1)


def winograd_is_faster(filters: Tensor) -> bool:
    """Whether `Winograd` beats the plain call for such filters, by a rule that was measured.

    On a processor it takes 0.35 of the plain time for 512 channels, 0.5 for 64, 0.8 for 32; for 16
    the transforms cost more than is saved. On a GPU it takes 0.3 of it for 512 channels, 0.6 for 64
    (`benchmarks.convolution`).
    """
    outputs, channels = filters.shape[:2]
    return (
        has_kernels(filters) and filters.dtype == torch.float32 and channels > 16 and outputs >= 16
    )


def winograd_has_room(size: tuple[int, int]) -> bool:
    """Whether a layer of (h, w) positions is large enough for it."""
    return math.prod(-(-length // TILE) for length in size) >= FEWEST_TILES


def _all_of(x: Tensor) -> Window:
    return slice(0, x.shape[2]), slice(0, x.shape[3])


def relu_grad(slope: Tensor, y: Tensor, into: Tensor) -> Tensor:
    """Gradient with respect to x, from that with respect to y = ReLU(x): zero where it is closed.

    Args:
        slope: any shape.
        y: of the same shape.
        into: where to write it; may be `slope`.
    """
    masked: Tensor = torch.ops.aten.threshold_backward.grad_input(slope, y, 0, grad_input=into)
    return masked


def _folded(x: Tensor) -> Tensor:
    """The gradient of a reflection by one: what a margin got belongs to where it came from."""
    for axis in (2, 3):
        for margin, mirrored in ((0, 2), (-1, -3)):
            x.select(axis, mirrored).add_(x.select(axis, margin))
        x = x.narrow(axis, 1, x.shape[axis] - 2)
    return x
