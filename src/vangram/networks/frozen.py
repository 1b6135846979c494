"""A convolution whose filters never change: ReLU of it, and the gradient's way back."""

from __future__ import annotations

import math
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vangram.networks.compiled import AVAILABLE
from vangram.networks.winograd import FEWEST_TILES, OUTPUTS, Winograd, Workspace, onednn_takes


class FrozenConvolution:
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

    def forward(self, x: Tensor, fast: bool) -> Tensor:
        """ReLU(w ∗ x + b) for (1, C, h, w): (1, K, h, w); `fast` where Winograd may be used."""
        if fast and winograd_is_faster(self.filters):
            return self._forward(x, self.workspace, reflect=self.reflect)
        if self.reflect:
            x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        return F.conv2d(x, self.filters, self.bias, padding=0 if self.reflect else 1).relu_()

    def backward(self, slope: Tensor, y: Tensor, fast: bool) -> Tensor:
        """Gradient with respect to x, from that with respect to y = `forward(x)`.

        Args:
            slope: (1, K, h, w); it may be overwritten.
            y: what `forward` gave.
            fast: as there.
        """
        margin = 2 if self.reflect else 1
        if fast and winograd_is_faster(self._turned):
            x = self._backward(slope, self.workspace, margin=margin, where=y)
        else:
            slope = relu_gradient(slope, y, slope)
            x = F.conv2d(slope, self._turned, padding=margin)
        return _folded(x) if self.reflect else x

    @cached_property
    def _turned(self) -> Tensor:
        turned = self.filters.flip(2, 3).transpose(0, 1)
        return turned.contiguous(memory_format=torch.channels_last)

    @cached_property
    def _forward(self) -> Winograd:
        return Winograd(self.filters, self.bias)

    @cached_property
    def _backward(self) -> Winograd:
        return Winograd(self._turned)


def winograd_is_faster(filters: Tensor) -> bool:
    """Whether `Winograd` beats the plain call for such filters, by a rule that was measured.

    It takes 0.35 of the plain time for 512 channels, 0.5 for 64, 0.8 for 32; for 16 the transforms
    cost more than is saved (`benchmarks.convolution`). Devices other than the CPU have such a
    choice in their libraries.
    """
    outputs, channels = filters.shape[:2]
    return AVAILABLE and onednn_takes(filters) and channels > 16 and outputs >= 16


def winograd_has_room(size: tuple[int, int]) -> bool:
    """Whether a layer of (h, w) positions is large enough for it."""
    tiles = math.prod(-(-length // OUTPUTS) for length in size)
    return 2 * tiles >= FEWEST_TILES


def relu_gradient(slope: Tensor, y: Tensor, into: Tensor) -> Tensor:
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
    inner = x[:, :, 1:-1, 1:-1]
    inner[:, :, 1] += x[:, :, 0, 1:-1]
    inner[:, :, -2] += x[:, :, -1, 1:-1]
    inner[:, :, :, 1] += x[:, :, 1:-1, 0]
    inner[:, :, :, -2] += x[:, :, 1:-1, -1]
    for row, to in ((0, 1), (-1, -2)):
        for column, across in ((0, 1), (-1, -2)):
            inner[:, :, to, across] += x[:, :, row, column]
    return inner
