"""The shape of a VGG-like network: blocks, heads, strides and reach."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property

from vangram.errors import LayerError


@dataclass(frozen=True)
class Topology:
    """The shape of a VGG-like network; everything but its parameters.

    Blocks of 3x3 convolutions with ReLU, 2x2 pooling between blocks (Simonyan and Zisserman 2014,
    table 1). Input is RGB: a file whose first filters read BGR is turned when it is read. Where a
    side is odd, the last window is pooled as far as it goes, as in the authors' Caffe: otherwise
    deep layers would not see the picture's last rows and columns, and an optimiser would do there
    as it likes.

    With heads, a layer is not the trunk's activation but a 1x1 convolution and ReLU on it: a narrow
    trunk can so speak a wide network's language.
    """

    widths: tuple[int, ...]
    """Channels of each block's convolutions."""
    depths: tuple[int, ...]
    """Convolutions in each block."""
    heads: dict[str, int] = field(default_factory=dict)
    """Layer name -> channels of its head; empty: the layers are the trunk's own activations."""
    padding: str = "zeros"
    """How pictures go on beyond their edge: "zeros" as VGG was trained, or "reflect"."""
    pooling: str = "max"
    """What stands between blocks: "max" as VGG was trained, or "average" (Gatys et al. 2016)."""
    average_scale: tuple[float, ...] = ()
    """What averages are multiplied by, pooling by pooling; 1 where there is none.

    The largest of four is more than their average, so a network trained on maxima would see
    ever fainter pictures. The factor makes the mean activation what max pooling would give.
    """
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Subtracted from RGB in [0, 1], before `std`."""
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Divides what `mean` left."""

    @cached_property
    def convolutions(self) -> tuple[str, ...]:
        """Names of the trunk's convolutions in order: "1_1", "1_2", "2_1", ..."""
        return tuple(
            f"{block}_{index}"
            for block, depth in enumerate(self.depths, start=1)
            for index in range(1, depth + 1)
        )

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that can be asked for, shallow to deep."""
        return tuple(self.heads) or tuple(f"relu{name}" for name in self.convolutions)

    def width(self, layer: str) -> int:
        """Channels C of a layer's features."""
        self.check(layer)
        return self.heads.get(layer) or self.widths[block_of(layer) - 1]

    def stride(self, layer: str) -> int:
        """Pixels per feature position along one axis."""
        self.check(layer)
        return 1 << (block_of(layer) - 1)

    def positions(self, size: tuple[int, int], layer: str) -> int:
        """Positions M of a layer's features for a picture of (height, width)."""
        height, width = self.shape(size, layer)
        return height * width

    def shape(self, size: tuple[int, int], layer: str) -> tuple[int, int]:
        """(h, w) of a layer's features for a picture of (height, width)."""
        stride = self.stride(layer)
        return -(-size[0] // stride), -(-size[1] // stride)

    def reach(self, layer: str, block: int = 1) -> int:
        """Pixels that a feature sees beyond its own position's: sum of radius times stride.

        Args:
            layer: of the feature.
            block: the first whose convolutions count, for what is seen of its input.
        """
        self.check(layer)
        blocks = [block_of(name) for name in self._up_to(layer)]
        return sum(1 << (each - 1) for each in blocks if each >= block)

    def halo(self, layers: Collection[str]) -> int:
        """Margin in pixels that makes a tile's features exact: the reach, aligned to the stride."""
        stride = max(self.stride(layer) for layer in layers)
        reach = max(self.reach(layer) for layer in layers)
        return -(-reach // stride) * stride

    def smallest_size(self, layers: Collection[str]) -> int:
        """Pixels that a picture's shorter side must have for these layers to exist."""
        stride = max(self.stride(layer) for layer in layers)
        return stride * (2 if self.padding == "reflect" else 1)  # one position has no reflection

    def pooling_scale(self, block: int) -> float | None:
        """What the averages before a block are multiplied by; none where maxima are taken."""
        if self.pooling == "max":
            return None
        return self.average_scale[block - 2] if len(self.average_scale) > block - 2 else 1.0

    def up_to(self, layers: Collection[str]) -> Topology:
        """This topology without the convolutions and heads behind the deepest of some layers.

        Raises:
            LayerError: a layer is unknown, or none is given.
        """
        if not layers:
            raise LayerError(f"no layer given; there are {', '.join(self.layers)}")
        for layer in layers:
            self.check(layer)
        kept = self.layers[: 1 + max(self.layers.index(layer) for layer in layers)]
        block, depth = _place(kept[-1])
        return replace(
            self,
            widths=self.widths[:block],
            depths=(*self.depths[: block - 1], depth),
            heads={layer: width for layer, width in self.heads.items() if layer in kept},
            average_scale=self.average_scale[: block - 1],
        )

    def check(self, layer: str) -> None:
        """Raise LayerError for a layer that this network does not have."""
        if layer not in self.layers:
            raise LayerError(f"no layer {layer!r} here; there are {', '.join(self.layers)}")

    def _up_to(self, layer: str) -> tuple[str, ...]:
        deepest = self.convolutions.index(layer.removeprefix("relu"))
        return self.convolutions[: deepest + 1]


def block_of(name: str) -> int:
    """The block, from 1, that a layer or convolution is in."""
    return _place(name)[0]


def follows_pooling(convolution: str) -> bool:
    """Whether a convolution "1_1", ... reads a pooling's output."""
    block, index = _place(convolution)
    return block > 1 and index == 1


def _place(name: str) -> tuple[int, int]:
    block, index = name.removeprefix("relu").split("_")
    return int(block), int(index)
