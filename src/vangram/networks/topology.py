"""Topology of a VGG-like network: blocks, heads, strides and receptive fields."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property

from vangram.errors import LayerError


@dataclass(frozen=True)
class Topology:
    """A VGG-like network without its parameters.

    Blocks of 3×3 convolutions with ReLU, 2×2 pooling between blocks (Simonyan and Zisserman 2014,
    table 1). The input is RGB; filters of a BGR file are reordered when it is read. Where a side is
    odd, the last pooling window is cropped, as in the authors' Caffe: otherwise deep layers would
    not see the image's last rows and columns, and nothing would constrain those.

    With a head, a layer's features are a 1×1 convolution and ReLU of the trunk's activation, so
    that a narrower trunk can predict a wide network's features.
    """

    widths: tuple[int, ...]
    """Channels of the convolutions, block by block."""
    depths: tuple[int, ...]
    """Number of convolutions, block by block."""
    wide: dict[str, int] = field(default_factory=dict)
    """Convolution "1_1", ... -> its channels, where they are not its block's."""
    feature_layers: tuple[str, ...] = ()
    """Layers that have features, shallow to deep; empty: all have."""
    heads: dict[str, int] = field(default_factory=dict)
    """Layer -> channels of its head; without one, features are the trunk's activation."""
    padding: str = "zeros"
    """Padding of the convolutions: "zeros" as VGG was trained, or "reflect"."""
    pooling: str = "max"
    """Pooling between blocks: "max" as VGG was trained, or "average" (Gatys et al. 2016)."""
    average_scale: tuple[float, ...] = ()
    """Factor of each average pooling; 1 where none is given.

    The maximum of four values exceeds their average, so activations of a network trained with max
    pooling would shrink from block to block. The factor gives each pooling the mean activation
    that it has with maxima.
    """
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Subtracted from RGB in [0, 1], before `std`."""
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Divides RGB after `mean` is subtracted."""

    @cached_property
    def convolutions(self) -> tuple[str, ...]:
        """Names of the trunk's convolutions, shallow to deep: "1_1", "1_2", "2_1", ..."""
        return tuple(
            f"{block}_{index}"
            for block, depth in enumerate(self.depths, start=1)
            for index in range(1, depth + 1)
        )

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that have features, shallow to deep."""
        return self.feature_layers or tuple(f"relu{name}" for name in self.convolutions)

    def channels(self, convolution: str) -> int:
        """Channels of a convolution's output."""
        return self.wide.get(convolution, self.widths[block_of(convolution) - 1])

    def width(self, layer: str) -> int:
        """Channels C of a layer's features."""
        self.check(layer)
        return self.heads.get(layer) or self.channels(layer.removeprefix("relu"))

    def stride(self, layer: str) -> int:
        """Pixels between neighbouring positions of a layer, along either axis."""
        self.check(layer)
        return stride_of(layer)

    def positions(self, size: tuple[int, int], layer: str) -> int:
        """Number M of a layer's positions for an image of (height, width)."""
        height, width = self.shape(size, layer)
        return height * width

    def shape(self, size: tuple[int, int], layer: str) -> tuple[int, int]:
        """(h, w) of a layer's features for an image of (height, width)."""
        stride = self.stride(layer)
        return -(-size[0] // stride), -(-size[1] // stride)

    def reach(self, layer: str, block: int = 1) -> int:
        """Pixels of a feature's receptive field beyond its own position, on either side.

        The sum of radius times stride over the convolutions.

        Args:
            layer: of the feature.
            block: first block whose convolutions count, for the receptive field in its input.
        """
        self.check(layer)
        blocks = [block_of(name) for name in self._up_to(layer)]
        return sum(1 << (each - 1) for each in blocks if each >= block)

    def smallest_size(self, layers: Collection[str]) -> int:
        """Pixels that the shorter side of an image needs for these layers to exist."""
        stride = max(self.stride(layer) for layer in layers)
        return stride * (2 if self.padding == "reflect" else 1)  # one position has no reflection

    def pooling_scale(self, block: int) -> float | None:
        """Factor of the average pooling before a block; None for max pooling."""
        if self.pooling == "max":
            return None
        return self.average_scale[block - 2] if len(self.average_scale) > block - 2 else 1.0

    def up_to(self, layers: Collection[str]) -> Topology:
        """This topology, cut after the deepest of some layers.

        Raises:
            LayerError: a layer is unknown, or none is given.
        """
        self.check(*layers)
        kept = self.layers[: 1 + max(self.layers.index(layer) for layer in layers)]
        block, depth = _place(kept[-1])
        return replace(
            self,
            widths=self.widths[:block],
            depths=(*self.depths[: block - 1], depth),
            feature_layers=kept if self.feature_layers else (),
            heads={layer: width for layer, width in self.heads.items() if layer in kept},
            average_scale=self.average_scale[: block - 1],
        )

    def check(self, *layers: str) -> None:
        """Raise LayerError for a layer that the network does not have, or where none is given."""
        unknown = [layer for layer in layers if layer not in self.layers]
        if unknown or not layers:
            fault = f"no layer {unknown[0]!r} here" if unknown else "no layer given"
            raise LayerError(f"{fault}; there are {', '.join(self.layers)}")

    def _up_to(self, layer: str) -> tuple[str, ...]:
        deepest = self.convolutions.index(layer.removeprefix("relu"))
        return self.convolutions[: deepest + 1]


def block_of(name: str) -> int:
    """Block of a layer or convolution, counted from 1."""
    return _place(name)[0]


def stride_of(layer: str) -> int:
    """Pixels between neighbouring positions of a layer, along either axis."""
    return 1 << (block_of(layer) - 1)


def follows_pooling(convolution: str) -> bool:
    """Whether the input of a convolution "1_1", ... is a pooling's output."""
    block, index = _place(convolution)
    return block > 1 and index == 1


def _place(name: str) -> tuple[int, int]:
    """(block, index in the block) of a layer or convolution, counted from 1."""
    block, index = name.removeprefix("relu").split("_")
    return int(block), int(index)
