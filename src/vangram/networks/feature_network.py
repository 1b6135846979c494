"""VGG as a function from a picture to named features: trunk, optional heads, stride and reach."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vangram.errors import LayerError, SizeError
from vangram.networks.frozen import FrozenConvolution, relu_gradient
from vangram.networks.winograd import Workspace
from vangram.precision import convolving

BGR = (2, 1, 0)
RGB = (0, 1, 2)


@dataclass(frozen=True)
class Topology:
    """The shape of a VGG-like network; everything but its parameters.

    Blocks of 3x3 convolutions with ReLU, 2x2 max pooling between blocks (Simonyan and Zisserman
    2014, table 1). Where a side is odd, the last window is pooled as far as it goes, as in the
    authors' Caffe: otherwise deep layers would not see the picture's last rows and columns, and an
    optimiser would do there as it likes.

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
    channels: tuple[int, int, int] = RGB
    """Order in which the network reads its input channels."""
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
        return self.heads.get(layer) or self.widths[_block(layer) - 1]

    def stride(self, layer: str) -> int:
        """Pixels per feature position along one axis."""
        self.check(layer)
        return 1 << (_block(layer) - 1)

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
        blocks = [_block(name) for name in self._up_to(layer)]
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

    def check(self, layer: str) -> None:
        """Raise LayerError for a layer that this network does not have."""
        if layer not in self.layers:
            raise LayerError(f"no layer {layer!r} here; there are {', '.join(self.layers)}")

    def _up_to(self, layer: str) -> tuple[str, ...]:
        deepest = self.convolutions.index(layer.removeprefix("relu"))
        return self.convolutions[: deepest + 1]


def _block(name: str) -> int:
    return int(name.removeprefix("relu").split("_")[0])


class FeatureNetwork(nn.Module):
    """A frozen network: picture in, features by layer name out.

    Modules are named as in the papers, `conv1_1` ... and `head1_1` ..., so parameter files are
    `conv1_1.weight`, `conv1_1.bias`, ... The normalisation of the input happens inside.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, topology: Topology) -> None:
        super().__init__()
        self.topology = topology
        self.register_buffer("mean", torch.tensor(topology.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(topology.std).view(1, 3, 1, 1), persistent=False)
        previous = 3
        for name in topology.convolutions:
            width = topology.widths[_block(name) - 1]
            self.add_module(f"conv{name}", nn.Conv2d(previous, width, 3))
            previous = width
        for layer, channels in topology.heads.items():
            trunk = topology.widths[_block(layer) - 1]
            self.add_module(_head_name(layer), nn.Conv2d(trunk, channels, 1))
        self.fast = True
        """Whether Winograd's filters, which take eight times the memory, may be used."""
        self.tf32 = False
        """Whether a GPU may round what it convolves."""
        self._frozen: dict[str, FrozenConvolution] = {}

    def freeze(self) -> FeatureNetwork:
        """This network, without gradients of its own, laid out channels innermost."""
        self.requires_grad_(False).eval()
        return self.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def frozen(self, name: str) -> FrozenConvolution:
        """The convolution "1_1", ... with its ReLU, for gradients to the input alone."""
        if not self._frozen:
            workspace, reflect = Workspace(), self.topology.padding == "reflect"
            for each in self.topology.convolutions:
                conv = self.get_submodule(f"conv{each}")
                assert isinstance(conv, nn.Conv2d)
                assert not conv.weight.requires_grad
                self._frozen[each] = FrozenConvolution(conv, reflect, workspace)
        return self._frozen[name]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FeatureNetwork:
        self._frozen = {}  # the parameters are about to move or to change
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call, no-any-return]

    def forward(self, image: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        """Features of a picture at the layers asked for; no deeper layer is computed.

        Args:
            image: (B, 3, H, W), RGB in [0, 1].
            layers: names out of `topology.layers`.

        Returns:
            Layer name -> (B, C, h, w), all non-negative, shallow to deep; h and w are H and W over
            the stride, rounded up.

        Raises:
            LayerError: a layer is unknown, or none is given.
            SizeError: the picture is too small to have the deepest layer.
        """
        self.check(image, layers)
        features: dict[str, Tensor] = {}
        with convolving(tf32=self.tf32):
            for layer, activation in self.activations(image):
                if layer in layers:
                    features[layer] = self.head(layer, activation)
                if len(features) == len(set(layers)):
                    break
        return features

    def normalised(self, image: Tensor) -> Tensor:
        """A picture (B, 3, H, W), RGB in [0, 1], as the first convolution wants it."""
        return (image[:, self.topology.channels] - self.mean) / self.std

    def normalised_gradient(self, slope: Tensor) -> Tensor:
        """Gradient with respect to the picture, from that to `normalised`."""
        back = [self.topology.channels.index(channel) for channel in range(3)]
        return (slope / self.std)[:, back]

    def activations(self, image: Tensor) -> Iterator[tuple[str, Tensor]]:
        """The trunk's activations (B, C, h, w) by layer name, each computed when asked for."""
        x = self.normalised(image)
        for name in self.topology.convolutions:
            if name.endswith("_1") and name != "1_1":
                x = F.max_pool2d(x, 2, ceil_mode=True)
            x = F.relu(self._convolve(name, x))
            yield f"relu{name}", x

    def _convolve(self, name: str, x: Tensor) -> Tensor:
        conv = self.get_submodule(f"conv{name}")
        assert isinstance(conv, nn.Conv2d)
        if self.topology.padding == "zeros":
            return F.conv2d(x, conv.weight, conv.bias, padding=1)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), conv.weight, conv.bias)

    def head(self, layer: str, x: Tensor) -> Tensor:
        """A layer's features (B, C, h, w) from the trunk's activation there."""
        if layer not in self.topology.heads:
            return x
        return F.relu_(self.get_submodule(_head_name(layer))(x))

    def head_gradient(self, layer: str, slope: Tensor, features: Tensor) -> Tensor:
        """Gradient with respect to the trunk's activation, from that to `features`, its `head`.

        `slope` is overwritten.
        """
        if layer not in self.topology.heads:
            return slope
        head = self.get_submodule(_head_name(layer))
        assert isinstance(head, nn.Conv2d)
        return F.conv2d(relu_gradient(slope, features, slope), head.weight.transpose(0, 1))

    def check(self, image: Tensor, layers: Collection[str]) -> None:
        """Raise LayerError or SizeError where `forward` would."""
        if not layers:
            raise LayerError(f"no layer given; there are {', '.join(self.topology.layers)}")
        for layer in layers:
            self.topology.check(layer)
        smallest, size = self.topology.smallest_size(layers), tuple(image.shape[-2:])
        if min(size) < smallest:
            raise SizeError(
                f"a picture of {size[1]} x {size[0]} px is too small for {max(layers)}: "
                f"its shorter side needs {smallest} px"
            )


def _head_name(layer: str) -> str:
    return layer.replace("relu", "head")
