"""A picture's way through a frozen network, kept so that a gradient can go it back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from vangram.networks.feature_network import FeatureNetwork
from vangram.networks.frozen import winograd_has_room
from vangram.networks.pooling import pool, unpool
from vangram.networks.topology import block_of, pooled
from vangram.networks.winograd import OUTPUTS
from vangram.precision import convolving

Windows = Mapping[str, tuple[slice, slice]]
"""Layer -> rows and columns of its positions."""
WHOLE: Windows = {}
Frame = tuple[slice, slice]
"""Rows and columns of a stage's positions, counted from where the picture begins."""

Slope = Callable[[str, Tensor], Tensor]
"""A layer and its features -> the loss's gradient with respect to them."""


@dataclass
class _Stop:
    """One convolution on the way."""

    name: str
    activation: Tensor
    """After the ReLU."""
    fast: bool
    """Whether Winograd may be used."""
    frame: Frame
    """Of the activation."""
    cut: Frame | None
    """What was cut out of the pooling's output for it."""


class Trace:
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
        keep: bool = True,
    ) -> None:
        network.check(image, layers)
        self.network, self.windows = network, windows
        self.features = {}
        self._stops: list[_Stop] = []
        with convolving(tf32=network.tf32):
            self._go(image, layers, whole or (image.shape[2], image.shape[3]), keep)

    @torch.no_grad()
    def pull_back(self, slope: Slope) -> Tensor:
        """The loss's gradient with respect to the image, (1, 3, H, W); it can be had once.

        Args:
            slope: the loss's gradient with respect to a layer's features, its window alone; what
                it gives is overwritten.
        """
        with convolving(tf32=self.network.tf32):
            return self._go_back(slope)

    def _go(
        self, image: Tensor, layers: Collection[str], whole: tuple[int, int], keep: bool
    ) -> None:
        network, (height, width) = self.network, whole
        frame = slice(0, image.shape[2]), slice(0, image.shape[3])
        x = network.normalised(image).contiguous(memory_format=torch.channels_last)
        for name in network.topology.convolutions:
            layer, cut = f"relu{name}", None
            if pooled(name):
                x = pool(x, network.topology.scale(block_of(name)))
                height, width = -(-height // 2), -(-width // 2)
                frame = _halved(frame)
                if self.windows:
                    cut = self._seen(block_of(name), layers, frame)
                    x = _inside(x, frame, cut).contiguous(memory_format=torch.channels_last)
                    frame, cut = cut, frame
            fast = network.fast and winograd_has_room((height, width))
            x = network.frozen(name).forward(x, fast)
            if keep:
                self._stops.append(_Stop(name, x, fast, frame, cut))
            if layer in layers:
                self.features[layer] = network.head(layer, self._window(layer, x, frame))
            if len(self.features) == len(set(layers)):
                break

    def _go_back(self, slope: Slope) -> Tensor:
        gradient: Tensor | None = None
        while self._stops:
            stop = self._stops.pop()
            layer = f"relu{stop.name}"
            if layer in self.features:
                features = self.features.pop(layer)
                part = self.network.head_gradient(layer, slope(layer, features), features)
                del features
                if gradient is None and layer not in self.windows:
                    gradient = part
                else:
                    gradient = torch.zeros_like(stop.activation) if gradient is None else gradient
                    self._window(layer, gradient, stop.frame).add_(part)
            assert gradient is not None
            gradient = self.network.frozen(stop.name).backward(gradient, stop.activation, stop.fast)
            if stop.cut is not None:
                gradient = _surrounded(gradient, stop.frame, stop.cut)
            if pooled(stop.name):
                scale = self.network.topology.scale(block_of(stop.name))
                gradient = unpool(gradient, self._stops[-1].activation, scale)
        assert gradient is not None
        return self.network.normalised_gradient(gradient)

    def _window(self, layer: str, x: Tensor, frame: Frame) -> Tensor:
        return _inside(x, frame, self.windows[layer]) if layer in self.windows else x

    def _seen(self, block: int, layers: Collection[str], frame: Frame) -> Frame:
        """What the windows of the layers from a block on see of its input, of what there is.

        The deeper, the less of a halo is left to see.
        """
        topology, stride = self.network.topology, 1 << (block - 1)
        deeper = [layer for layer in layers if topology.stride(layer) >= stride]
        if not self.windows.keys() >= set(deeper):
            return frame
        # Cut where the deepest pooling begins a window, and Winograd a tile, so that both fall as
        # they would.
        unit = max(max(topology.stride(layer) for layer in deeper) // stride, OUTPUTS)
        seen = []
        for axis, there in enumerate(frame):
            first, last = there.stop, there.start
            for layer in deeper:
                times = topology.stride(layer) // stride
                reach = -(-topology.reach(layer, block) // stride)
                first = min(first, self.windows[layer][axis].start * times - reach)
                last = max(last, self.windows[layer][axis].stop * times + reach)
            first, last = first // unit * unit, -(-last // unit) * unit
            seen.append(slice(max(first, there.start), min(last, there.stop)))
        return seen[0], seen[1]


def _halved(frame: Frame) -> Frame:
    """After a pooling; where a frame begins is even, since only whole poolings are cut out."""
    rows, columns = (slice(part.start // 2, -(-part.stop // 2)) for part in frame)
    return rows, columns


def _inside(x: Tensor, frame: Frame, window: Frame) -> Tensor:
    """The part of `x`, which lies in `frame`, that lies in `window`; a view."""
    rows, columns = (
        slice(part.start - there.start, part.stop - there.start)
        for part, there in zip(window, frame, strict=True)
    )
    return x[:, :, rows, columns]


def _surrounded(x: Tensor, frame: Frame, larger: Frame) -> Tensor:
    """`x`, which lies in `frame`, with zeros around it as far as `larger` goes."""
    if frame == larger:
        return x
    height, width = (part.stop - part.start for part in larger)
    whole = x.new_zeros((x.shape[0], height, width, x.shape[1])).permute(0, 3, 1, 2)
    _inside(whole, larger, frame).copy_(x)
    return whole
