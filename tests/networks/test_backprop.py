"""Backpropagation by hand against autograd: features, gradients, tiles, precision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.backends import cudnn
from torch.overrides import TorchFunctionMode

from tests.support import (
    NARROW_VGG19,
    batched,
    he_initialised,
    needs_llvm,
    relative_error,
    rounding,
)
from vangram.networks import FeatureNetwork, ForwardPass, Topology
from vangram.networks.registry import VGG19_LITE
from vangram.networks.tiles import computed_windows, grid, window_size

EXACT = rounding(9 * 384, layers=2 * 13)
"""Thirteen convolutions, forward and backward, with sums over at most 384 channels."""
SCALES = (1.1, 1.2, 1.3, 1.4)
NARROW_LITE = replace(VGG19_LITE, widths=(8, 8, 12, 16, 16))
TOPOLOGIES = {
    "zeros, max": NARROW_VGG19,
    "zeros, average": replace(NARROW_VGG19, pooling="average", average_scale=SCALES),
    "reflect, max": NARROW_LITE,
    "reflect, average": replace(NARROW_LITE, pooling="average", average_scale=SCALES),
}
SIZES = [(64, 96), (53, 70), (75, 37)]
FIVE = [f"relu{block}_1" for block in range(1, 6)]
any_topology = pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=list(TOPOLOGIES))
any_size = pytest.mark.parametrize("size", SIZES)


def random_grad(layer: str, shape: Iterable[int]) -> Tensor:
    generator = torch.Generator().manual_seed(len(layer) + int(layer[4]))
    return torch.randn(tuple(shape), generator=generator, dtype=torch.float64)


def by_autograd(
    network: FeatureNetwork, picture: Tensor, layers: list[str]
) -> tuple[dict[str, Tensor], Tensor]:
    """Features, and the gradient of their inner product with `random_grad`."""
    image = picture.clone().requires_grad_()
    features = network(image, layers)
    grads = [random_grad(layer, f.shape) for layer, f in features.items()]
    (gradient,) = torch.autograd.grad(list(features.values()), image, grads)
    return {layer: f.detach() for layer, f in features.items()}, gradient


def assert_equals_autograd(network: FeatureNetwork, picture: Tensor, layers: list[str]) -> None:
    wanted, gradient = by_autograd(network, picture, layers)
    forward = ForwardPass(network, picture, layers)
    assert forward.features.keys() == wanted.keys()
    for layer, features in wanted.items():
        assert relative_error(forward.features[layer], features) < EXACT
    back = forward.backward(lambda layer, f: random_grad(layer, f.shape))
    assert relative_error(back, gradient) < EXACT


@any_topology
@any_size
def test_forward_pass_equals_autograd(topology: Topology, size: tuple[int, int]) -> None:
    assert_equals_autograd(he_initialised(topology), batched(*size, seed=1), FIVE)


@pytest.mark.parametrize("layers", [["relu4_2"], [*FIVE, "relu1_2", "relu4_4"]])
def test_forward_pass_of_other_layers_equals_autograd(
    narrow: FeatureNetwork, layers: list[str]
) -> None:
    assert_equals_autograd(narrow, batched(53, 70, seed=3), layers)


def test_forward_pass_of_the_shipped_network_equals_autograd(lite64: FeatureNetwork) -> None:
    assert_equals_autograd(lite64, batched(53, 70, seed=3), FIVE)


@needs_llvm
@pytest.mark.parametrize("name", ["narrow", "lite64"])
def test_forward_pass_by_winograd_equals_autograd(
    name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vangram.kernels.convolution.winograd_is_faster", lambda filters: True)
    monkeypatch.setattr("vangram.networks.backprop.winograd_has_room", lambda size: True)
    network: FeatureNetwork = request.getfixturevalue(name)
    with Convolutions() as by_torch:
        assert_equals_autograd(network, batched(53, 70, seed=3), FIVE)
    # Autograd's own forward pass, with its heads.
    heads = len(network.topology.heads.keys() & FIVE)
    assert len(by_torch.sizes) == len(network.topology.up_to(FIVE).convolutions) + heads


@any_topology
@any_size
def test_gradient_of_tiles_equals_the_whole(topology: Topology, size: tuple[int, int]) -> None:
    network, picture = he_initialised(topology), batched(*size, seed=1)
    wanted, gradient = by_autograd(network, picture, FIVE)
    total = torch.zeros_like(picture)
    for tile in grid(size, 16, topology, FIVE):
        windows = tile.windows(FIVE, topology)
        local = tile.local_windows(FIVE, topology)
        forward = ForwardPass(network, tile.crop(picture), FIVE, local, whole=size)
        tile.crop(total).add_(forward.backward(cropped_grad(wanted, windows)))
    assert relative_error(total, gradient) < EXACT


def cropped_grad(
    features: Mapping[str, Tensor], windows: Mapping[str, tuple[slice, slice]]
) -> Callable[[str, Tensor], Tensor]:
    """`random_grad` of the whole features, cropped to a tile's windows."""

    def grad(layer: str, _: Tensor) -> Tensor:
        rows, columns = windows[layer]
        return random_grad(layer, features[layer].shape)[:, :, rows, columns].clone()

    return grad


def test_forward_pass_uses_moved_parameters() -> None:
    network, image = he_initialised(NARROW_VGG19), batched(20, 20, seed=1)
    ForwardPass(network, image, FIVE)
    forward = ForwardPass(network.float(), image.float(), FIVE)
    assert forward.features["relu5_1"].dtype == torch.float32


class Convolutions(TorchFunctionMode):
    """Records the output sizes of torch's convolutions, and cuDNN's flags during them."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[tuple[int, int]] = []
        self.flags: set[tuple[bool, bool]] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is F.conv2d:
            self.sizes.append((result.shape[2], result.shape[3]))
            self.flags.add((cudnn.allow_tf32, cudnn.deterministic))
        return result


@pytest.mark.parametrize("tf32", [False, True])
def test_convolutions_round_only_with_tf32(tf32: bool) -> None:
    network, image = he_initialised(NARROW_VGG19), batched(16, 16, seed=1)
    network.tf32 = tf32
    before = cudnn.allow_tf32, cudnn.deterministic
    with Convolutions() as by_hand:
        ForwardPass(network, image, ["relu2_1"]).backward(lambda layer, features: features)
    with Convolutions() as by_autograd:
        network(image, ["relu2_1"])
    assert len(by_hand.sizes) == 6
    assert len(by_autograd.sizes) == 3
    assert by_hand.flags == by_autograd.flags == {(tf32, True)}
    assert (cudnn.allow_tf32, cudnn.deterministic) == before


def test_forward_pass_of_a_tile_computes_its_windows() -> None:
    network = he_initialised(NARROW_VGG19)
    layers, size = ["relu1_1", "relu5_1"], (320, 320)
    tile = next(t for t in grid(size, 64, network.topology, layers) if t.padded[0].start > 0)
    windows = tile.local_windows(layers, network.topology)
    image = torch.rand(1, 3, *size, dtype=torch.float64)
    with Convolutions() as computed:
        ForwardPass.of_tile(network, image, layers, tile)
    wanted = computed_windows(
        network.topology, window_size(tile.padded), layers, windows, tile.corner
    )
    assert computed.sizes == [window_size(window) for window in wanted.values()]
