"""Max and average pooling, odd sizes included, and their gradients."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.support import NARROW_VGG19, batched, he_initialised, relative_error
from vangram.kernels.pooling import pool, unpool
from vangram.networks import FeatureNetwork, ForwardPass, Topology
from vangram.networks.geometry import grid
from vangram.networks.registry import VGG19_LITE

EXACT = 1e-12
"""Float64 through a dozen layers."""
AVERAGE = replace(NARROW_VGG19, pooling="average", average_scale=(1.1, 1.2, 1.3, 1.4))
LITE_AVERAGE = replace(VGG19_LITE, pooling="average", average_scale=(1.1, 1.2, 1.3, 1.4))
LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
BOTH = pytest.mark.parametrize("topology", [AVERAGE, LITE_AVERAGE], ids=["zeros", "reflect"])
SIZES = pytest.mark.parametrize("size", [(64, 96), (53, 70), (75, 37)])


def random_grad(layer: str, shape: torch.Size) -> Tensor:
    generator = torch.Generator().manual_seed(len(layer) + int(layer[4]))
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def by_autograd(network: FeatureNetwork, picture: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """Features, and the gradient of their inner product with `random_grad`."""
    image = picture.clone().requires_grad_()
    features = network(image, LAYERS)
    grads = [random_grad(layer, f.shape) for layer, f in features.items()]
    (gradient,) = torch.autograd.grad(list(features.values()), image, grads)
    return {layer: f.detach() for layer, f in features.items()}, gradient


def test_average_of_a_cropped_window_counts_its_values() -> None:
    x = torch.arange(1.0, 10.0).view(1, 1, 3, 3)
    wanted = torch.tensor([[3.0, 4.5], [7.5, 9.0]])
    assert torch.equal(pool(x, 1.0)[0, 0], wanted)
    assert torch.equal(pool(x, 2.0)[0, 0], 2 * wanted)


def test_maximum_of_a_cropped_window_counts_its_values() -> None:
    x = torch.arange(1.0, 10.0).view(1, 1, 3, 3)
    assert torch.equal(pool(x, None)[0, 0], torch.tensor([[5.0, 6.0], [8.0, 9.0]]))


@pytest.fixture(params=["compiled", "torch's"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Max pooling by compiled kernels, and by torch."""
    if request.param != "compiled":
        monkeypatch.setattr("vangram.kernels.pooling.has_kernels", lambda x: False)


@pytest.mark.usefixtures("ways")
@pytest.mark.parametrize("scale", [None, 1.0, 1.7], ids=str)
@pytest.mark.parametrize("size", [(4, 6), (5, 7), (1, 2)])
@pytest.mark.parametrize("levels", [1e9, 2], ids=["all different", "some equal"])
def test_unpool_is_the_gradient_of_pool(
    scale: float | None, size: tuple[int, int], levels: float
) -> None:
    x = (torch.rand(2, 3, *size, dtype=torch.float64) * levels).floor().requires_grad_()
    wanted = pool(x, scale)
    grad = torch.rand_like(wanted)
    (gradient,) = torch.autograd.grad(wanted, x, grad)
    assert torch.equal(pool(x.detach(), scale), wanted.detach())
    assert relative_error(unpool(grad, x.detach(), scale), gradient) < EXACT


@BOTH
@SIZES
def test_forward_pass_with_average_pooling_equals_autograd(
    topology: Topology, size: tuple[int, int]
) -> None:
    network, picture = he_initialised(topology), batched(*size, seed=1)
    wanted, gradient = by_autograd(network, picture)
    forward = ForwardPass(network, picture, LAYERS)
    for layer, features in wanted.items():
        assert relative_error(forward.features[layer], features) < EXACT
    back = forward.backward(lambda layer, f: random_grad(layer, f.shape))
    assert relative_error(back, gradient) < EXACT


def tiled(network: FeatureNetwork, picture: Tensor, wanted: dict[str, Tensor]) -> Tensor:
    """The gradient of `by_autograd`, added up over tiles."""
    total, topology = torch.zeros_like(picture), network.topology
    size = picture.shape[2], picture.shape[3]
    for tile in grid(size, 16, topology, LAYERS):
        windows = tile.windows(LAYERS, topology)
        inside = tile.local_windows(LAYERS, topology)
        forward = ForwardPass(network, tile.crop(picture), LAYERS, inside, whole=size)

        def grad(
            layer: str, _: Tensor, windows: dict[str, tuple[slice, slice]] = windows
        ) -> Tensor:
            whole = random_grad(layer, wanted[layer].shape)
            return whole[:, :, windows[layer][0], windows[layer][1]].clone()

        tile.crop(total).add_(forward.backward(grad))
    return total


@BOTH
@SIZES
def test_tiled_gradient_with_average_pooling_equals_whole(
    topology: Topology, size: tuple[int, int]
) -> None:
    network, picture = he_initialised(topology), batched(*size, seed=1)
    wanted, gradient = by_autograd(network, picture)
    assert relative_error(tiled(network, picture, wanted), gradient) < EXACT


def test_average_and_max_pooling_differ_after_the_first_pooling_only() -> None:
    maxima = he_initialised(NARROW_VGG19)(batched(32, 32, seed=1), LAYERS)
    averages = he_initialised(AVERAGE)(batched(32, 32, seed=1), LAYERS)
    assert torch.equal(maxima["relu1_1"], averages["relu1_1"])
    for layer in LAYERS[1:]:
        assert relative_error(averages[layer], maxima[layer]) > 0.01


def test_pooling_scale_belongs_to_the_pooling_before_a_block() -> None:
    assert [AVERAGE.pooling_scale(block) for block in (2, 3, 4, 5)] == [1.1, 1.2, 1.3, 1.4]
    assert replace(AVERAGE, average_scale=()).pooling_scale(2) == 1.0
    assert NARROW_VGG19.pooling_scale(2) is None
