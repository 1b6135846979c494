"""A picture's way through a frozen network, kept so that a gradient can go it back."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from vangram.kernels import Window, conv_precision, pool, unpool
from vangram.networks.conv import winograd_has_room
from vangram.networks.geometry import (
    WHOLE,
    Windows,
    computed_windows,
    pooled_window,
    relative_to,
    window_size,
)
from vangram.networks.topology import block_of, follows_pooling
from vangram.networks.vgg import FeatureNetwork

Slope = Callable[[str, Tensor], Tensor]
"""A layer and its features -> the loss's gradient with respect to them."""


@dataclass
class _Stop:
    """One convolution on the way."""

    name: str
    activation: Tensor
    """After the ReLU."""
    frame: Window
    """Of the activation."""
    read: Window
    """Of what the convolution read."""
    fast: bool
    """Whether Winograd may be used."""


class ForwardPass:
    """Features of a picture, and the way back from them to its pixels.

    What autograd would do for `FeatureNetwork.forward`, but for filters that never change: only
    activations are kept, each is let go once the gradient has passed it, and the gradient of each
    layer's features is asked for when it is needed and not before.

    Args:
        network: frozen.
        image: (1, 3, H, W), RGB in [0, 1].
        layers: names out of the network's.
        windows: by layer, the part of the features that counts; all of them, if none.
        whole: (height, width) of the picture that `image` is a part of, if it is one. A part
            is computed as in the whole, so that rounding comes out alike.
        corner: where in it the part begins, (row, column), at a multiple of the deepest stride.
        keep: False for features alone.

    Raises:
        LayerError: a layer is unknown, or none is given.
        SizeError: the picture is too small to have the deepest layer.
    """

    features: dict[str, Tensor]
    """Layer name -> (1, C, h, w), its window alone."""

    @torch.no_grad()
    def __init__(
        self,
        network: FeatureNetwork,
        image: Tensor,
        layers: Collection[str],
        windows: Windows = WHOLE,
        *,
        whole: tuple[int, int] | None = None,
        corner: tuple[int, int] = (0, 0),
        keep: bool = True,
    ) -> None:
        network.check(image, layers)
        self.network, self.windows = network, windows
        self.features = {}
        self._stops: list[_Stop] = []
        with conv_precision(tf32=network.tf32):
            self._go(image, layers, whole or (image.shape[2], image.shape[3]), corner, keep)

    @torch.no_grad()
    def backward(self, slope: Slope) -> Tensor:
        """The loss's gradient with respect to the image, (1, 3, H, W); it can be had once.

        Args:
            slope: the loss's gradient with respect to a layer's features, its window alone; what
                it gives is overwritten.
        """
        with conv_precision(tf32=self.network.tf32):
            return self._go_back(slope)

    def _go(
        self,
        image: Tensor,
        layers: Collection[str],
        whole: tuple[int, int],
        corner: tuple[int, int],
        keep: bool,
    ) -> None:
        network, (height, width) = self.network, whole
        size = image.shape[2], image.shape[3]
        read: Window = slice(0, size[0]), slice(0, size[1])
        x = network.preprocess(image).contiguous(memory_format=torch.channels_last)
        used = computed_windows(network.topology, size, layers, self.windows, corner)
        for name, frame in used.items():
            layer = f"relu{name}"
            if follows_pooling(name):
                x, read = (
                    pool(x, network.topology.pooling_scale(block_of(name))),
                    pooled_window(read),
                )
                height, width = -(-height // 2), -(-width // 2)
            fast = network.uses_winograd and winograd_has_room((height, width))
            x = network.convolution(name).forward(x, fast, relative_to(frame, read))
            if keep:
                self._stops.append(_Stop(name, x, frame, read, fast))
            if layer in layers:
                self.features[layer] = network.head(layer, self._window(layer, x, frame))
            read = frame

    def _go_back(self, slope: Slope) -> Tensor:
        gradient: Tensor | None = None
        while self._stops:
            stop = self._stops.pop()
            layer = f"relu{stop.name}"
            if layer in self.features:
                features = self.features.pop(layer)
                part = self.network.head_grad(layer, slope(layer, features), features)
                del features
                if gradient is None and layer not in self.windows:
                    gradient = part
                else:
                    gradient = torch.zeros_like(stop.activation) if gradient is None else gradient
                    self._window(layer, gradient, stop.frame).add_(part)
            assert gradient is not None
            gradient = self.network.convolution(stop.name).backward(
                gradient,
                stop.activation,
                stop.fast,
                relative_to(stop.frame, stop.read),
                window_size(stop.read),
            )
            if follows_pooling(stop.name):
                scale = self.network.topology.pooling_scale(block_of(stop.name))
                gradient = unpool(gradient, self._stops[-1].activation, scale)
        assert gradient is not None
        return self.network.preprocess_grad(gradient)

    def _window(self, layer: str, x: Tensor, frame: Window) -> Tensor:
        if layer not in self.windows:
            return x
        rows, columns = relative_to(self.windows[layer], frame)
        return x[:, :, rows, columns]
