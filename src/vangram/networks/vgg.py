"""VGG as a function from an image to named features: a trunk and optional heads."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vangram.errors import SizeError
from vangram.kernels import (
    FixedConvolution,
    conv_precision,
    convolve_pointwise,
    fixed_convolutions,
    pool,
    relu_grad,
)
from vangram.networks.topology import Topology, block_of, follows_pooling


class FeatureNetwork(nn.Module):
    """A network from an image to features by layer name.

    Submodules are called `conv1_1` ... and `head1_1` ..., so parameter files have the names
    `conv1_1.weight`, `conv1_1.bias`, ... The input is normalised by mean and standard deviation
    inside.
    """

    mean: Tensor
    std: Tensor
    sha256: str
    """SHA-256 of the parameter file, in hexadecimal; "" without a file."""

    def __init__(self, topology: Topology) -> None:
        super().__init__()
        self.topology = topology
        self.sha256 = ""
        self.register_buffer("mean", torch.tensor(topology.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(topology.std).view(1, 3, 1, 1), persistent=False)
        previous = 3
        for name in topology.convolutions:
            width = topology.channels(name)
            self.add_module(f"conv{name}", nn.Conv2d(previous, width, 3))
            previous = width
        for layer, channels in topology.heads.items():
            trunk = self.module(f"conv{layer.removeprefix('relu')}")
            self.add_module(head_name(layer), nn.Conv2d(trunk.out_channels, channels, 1))
        self.winograd = True
        """Allow Winograd's algorithm, whose transformed filters take eight times the memory."""
        self.tf32 = False
        """Allow a GPU to round the factors of its convolutions to TF32."""
        self._convolutions: dict[str, FixedConvolution] = {}

    def freeze(self) -> FeatureNetwork:
        """Disable the parameters' gradients and lay them out channels last; returns `self`."""
        self.requires_grad_(False).eval()
        return self.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def view(
        self, topology: Topology | None = None, *, winograd: bool = True, tf32: bool | None = None
    ) -> FeatureNetwork:
        """A network with the same parameters; nothing that is done with it changes this one.

        Args:
            topology: its shape, no deeper than this one's; None: the same.
            winograd: whether it may use Winograd's filters.
            tf32: whether a GPU may round what it convolves; None: as this one.
        """
        with torch.device("meta"):
            view = FeatureNetwork(topology or self.topology)
        tensors = self.state_dict()
        view.load_state_dict({name: tensors[name] for name in view.state_dict()}, assign=True)
        view.mean, view.std, view.sha256 = self.mean, self.std, self.sha256
        view.winograd, view.tf32 = winograd, self.tf32 if tf32 is None else tf32
        return view.requires_grad_(False).eval()

    @property
    def uses_winograd(self) -> bool:
        """Whether Winograd may be used; with TF32, cuDNN is faster."""
        return self.winograd and not (self.tf32 and self.mean.is_cuda)

    def convolution(self, name: str) -> FixedConvolution:
        """The convolution "1_1", ... with its ReLU, prepared for `ForwardPass`."""
        if not self._convolutions:
            convs = {each: self.module(f"conv{each}") for each in self.topology.convolutions}
            assert not any(conv.weight.requires_grad for conv in convs.values())
            reflect = self.topology.padding == "reflect"
            self._convolutions = fixed_convolutions(convs, reflect=reflect)
        return self._convolutions[name]

    def drop_prepared(self) -> None:
        """Discard prepared convolutions, before the parameters move or change."""
        self._convolutions = {}

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FeatureNetwork:
        self.drop_prepared()
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call, no-any-return]

    def forward(self, image: Tensor, layers: Collection[str]) -> dict[str, Tensor]:
        """Features of an image, differentiable by autograd; no deeper layer is computed.

        Args:
            image: (B, 3, H, W), RGB in [0, 1].
            layers: names out of `topology.layers`.

        Returns:
            Layer -> (B, C, h, w), non-negative, shallow to deep; h and w are H and W over the
            stride, rounded up.

        Raises:
            LayerError: a layer is unknown, or none is given.
            SizeError: the image is too small for the deepest layer.
        """
        self.check(image, layers)
        features: dict[str, Tensor] = {}
        with conv_precision(tf32=self.tf32):
            for layer, activation in self.activations(image):
                if layer in layers:
                    features[layer] = self.head(layer, activation)
                if len(features) == len(set(layers)):
                    break
        return features

    def preprocess(self, image: Tensor) -> Tensor:
        """(B, 3, H, W), RGB in [0, 1], minus the mean, over the deviation, on the device."""
        return (image.to(self.mean.device) - self.mean) / self.std

    def preprocess_grad(self, grad: Tensor) -> Tensor:
        """Gradient with respect to the input of `preprocess`, from that to its output."""
        return grad / self.std

    def activations(self, image: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Layer names and the trunk's activations (B, C, h, w), computed one by one."""
        x = self.preprocess(image)
        for name in self.topology.convolutions:
            x = self.advance(name, x)
            yield f"relu{name}", x

    def advance(self, name: str, x: Tensor) -> Tensor:
        """The activation of the convolution "1_1", ..., from that of the one before it."""
        if follows_pooling(name):
            x = pool(x, self.topology.pooling_scale(block_of(name)))
        return F.relu(self._convolve(name, x))

    def _convolve(self, name: str, x: Tensor) -> Tensor:
        conv = self.module(f"conv{name}")
        if self.topology.padding == "zeros":
            return F.conv2d(x, conv.weight, conv.bias, padding=1)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), conv.weight, conv.bias)

    def module(self, name: str) -> nn.Conv2d:
        """The convolution "conv1_1", ... or the head "head1_1", ..., with its parameters."""
        module = self.get_submodule(name)
        assert isinstance(module, nn.Conv2d)
        return module

    def head(self, layer: str, x: Tensor) -> Tensor:
        """A layer's features (B, C, h, w) from the trunk's activation."""
        if layer not in self.topology.heads:
            return x
        head = self.module(head_name(layer))
        if torch.is_grad_enabled():
            return F.relu_(head(x))
        return convolve_pointwise(x, head.weight.flatten(1), head.bias, relu=True)

    def head_grad(self, layer: str, grad: Tensor, features: Tensor) -> Tensor:
        """Gradient with respect to the trunk's activation, from that to the features.

        Args:
            layer: of the head.
            grad: like `features`; overwritten.
            features: result of `head`.
        """
        if layer not in self.topology.heads:
            return grad
        head = self.module(head_name(layer))
        return convolve_pointwise(relu_grad(grad, features), head.weight.flatten(1).mT)

    def check(self, image: Tensor, layers: Collection[str]) -> None:
        """Raise LayerError or SizeError where `forward` would."""
        self.topology.check(*layers)
        smallest, size = self.topology.smallest_size(layers), tuple(image.shape[-2:])
        if min(size) < smallest:
            raise SizeError(
                f"a picture of {size[1]} x {size[0]} px is too small for {max(layers)}: "
                f"its shorter side needs {smallest} px"
            )


def head_name(layer: str) -> str:
    """Submodule "head1_1", ... of a layer "relu1_1", ... that has a head."""
    return layer.replace("relu", "head")
