"""Backpropagation through a frozen network, by hand: features, then the gradient of the image."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from vangram.kernels import Window, conv_precision, pool, unpool, winograd_has_room
from vangram.networks.tiles import (
    WHOLE,
    Tile,
    Windows,
    computed_windows,
    pooled_window,
    relative_to,
    window_size,
)
from vangram.networks.topology import block_of, follows_pooling
from vangram.networks.vgg import FeatureNetwork

FeatureGrad = Callable[[str, Tensor], Tensor]
"""(layer, its features) -> the loss's gradient with respect to them."""


@dataclass
class SavedConvolution:
    """One convolution's activation, kept for the backward pass."""

    name: str
    activation: Tensor
    """After the ReLU."""
    window: Window
    """Positions of the activation."""
    input_window: Window
    """Positions of the convolution's input."""
    winograd: bool
    """Whether Winograd's algorithm was allowed."""


class ForwardPass:
    """Features of an image, and the backward pass from their gradients to its pixels.

    Equivalent to autograd on `FeatureNetwork.forward`, for filters that are never trained: only
    activations are kept, each is freed once the gradient has passed it, and the gradient of a
    layer's features is requested when it is needed.

    Args:
        network: frozen.
        image: (1, 3, H, W), RGB in [0, 1].
        layers: layer names.
        windows: layer -> positions that count; a layer without an entry counts whole.
        whole: (height, width) of the whole image, where `image` is a tile of it. A tile is computed
            as in the whole, so that rounding is the same.
        corner: (row, column) of the tile in the whole image, multiples of the deepest stride.
        keep: keep activations for `backward`; False: features alone.

    Raises:
        LayerError: a layer is unknown, or none is given.
        SizeError: the image is too small for the deepest layer.
    """

    features: dict[str, Tensor]
    """Layer -> (1, C, h, w) of its window."""

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
        self._saved: list[SavedConvolution] = []
        with conv_precision(tf32=network.tf32):
            self._forward(image, layers, whole or (image.shape[2], image.shape[3]), corner, keep)

    @classmethod
    def of_tile(
        cls,
        network: FeatureNetwork,
        image: Tensor,
        layers: Collection[str],
        tile: Tile,
        *,
        keep: bool = True,
    ) -> ForwardPass:
        """The pass over a tile of an image (1, 3, H, W); the features are those of its core."""
        windows = tile.local_windows(layers, network.topology)
        size = image.shape[2], image.shape[3]
        return cls(
            network, tile.crop(image), layers, windows, whole=size, corner=tile.corner, keep=keep
        )

    @torch.no_grad()
    def backward(self, feature_grad: FeatureGrad) -> Tensor:
        """The loss's gradient with respect to the image, (1, 3, H, W); can be called once.

        Args:
            feature_grad: called with each layer, from the deepest; its result is overwritten.
        """
        with conv_precision(tf32=self.network.tf32):
            return self._backward(feature_grad)

    def _forward(
        self,
        image: Tensor,
        layers: Collection[str],
        whole: tuple[int, int],
        corner: tuple[int, int],
        keep: bool,
    ) -> None:
        network, (height, width) = self.network, whole
        size = image.shape[2], image.shape[3]
        input_window: Window = slice(0, size[0]), slice(0, size[1])
        x = network.preprocess(image).contiguous(memory_format=torch.channels_last)
        needed = self._needed(size, layers, whole, corner)
        for name, window in needed.items():
            layer = f"relu{name}"
            if follows_pooling(name):
                x = pool(x, network.topology.pooling_scale(block_of(name)))
                input_window = pooled_window(input_window)
                height, width = -(-height // 2), -(-width // 2)
            winograd = network.uses_winograd and winograd_has_room((height, width))
            x = self._convolve(name, x, winograd, window, input_window)
            if keep:
                self._saved.append(SavedConvolution(name, x, window, input_window, winograd))
            if layer in layers:
                self.features[layer] = network.head(layer, self._crop(layer, x, window))
            input_window = window

    def _backward(self, feature_grad: FeatureGrad) -> Tensor:
        grad: Tensor | None = None
        while self._saved:
            saved = self._saved.pop()
            layer = f"relu{saved.name}"
            if layer in self.features:
                features = self.features.pop(layer)
                part = self.network.head_grad(layer, feature_grad(layer, features), features)
                del features
                if grad is None and layer not in self.windows:
                    grad = part
                else:
                    grad = torch.zeros_like(saved.activation) if grad is None else grad
                    self._crop(layer, grad, saved.window).add_(part)
            assert grad is not None
            grad = self._gradient(saved, grad)
            if follows_pooling(saved.name):
                scale = self.network.topology.pooling_scale(block_of(saved.name))
                grad = unpool(grad, self._saved[-1].activation, scale)
        assert grad is not None
        return self.network.preprocess_grad(grad)

    def _needed(
        self,
        size: tuple[int, int],
        layers: Collection[str],
        whole: tuple[int, int],
        corner: tuple[int, int],
    ) -> dict[str, Window]:
        """Convolution -> window of its output that is computed."""
        return computed_windows(self.network.topology, size, layers, self.windows, corner)

    def _convolve(
        self, name: str, x: Tensor, winograd: bool, window: Window, input_window: Window
    ) -> Tensor:
        """A convolution's activation in a window, from its input in `input_window`."""
        convolution = self.network.convolution(name)
        return convolution.forward(x, winograd, relative_to(window, input_window))

    def _gradient(self, saved: SavedConvolution, grad: Tensor) -> Tensor:
        """The gradient of a convolution's input, from that of its activation; overwrites it."""
        return self.network.convolution(saved.name).backward(
            grad,
            saved.activation,
            saved.winograd,
            relative_to(saved.window, saved.input_window),
            window_size(saved.input_window),
            self._wanted(saved),
        )

    def _wanted(self, saved: SavedConvolution) -> slice | None:
        """Rows of a convolution's input, as in `FixedConvolution.backward`."""
        return None

    def _crop(self, layer: str, x: Tensor, window: Window) -> Tensor:
        """The part of an activation that counts for a layer, a view."""
        if layer not in self.windows:
            return x
        rows, columns = relative_to(self.windows[layer], window)
        return x[:, :, rows, columns]
