"""Winograd's convolution and its gradient against torch and autograd."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.support import NARROW_VGG19, batched, he_initialised, relative_error
from vangram.kernels import gemm, winograd
from vangram.kernels.gemm import Workspace
from vangram.kernels.jit import has_kernels
from vangram.kernels.winograd import Winograd
from vangram.networks import FeatureNetwork, ForwardPass
from vangram.networks import conv as convolution
from vangram.networks.conv import FixedConvolution

EXACT = 1e-13
"""Float64, through transforms whose coefficients add up to about 100."""
SINGLE = 1e-5
"""Float32, likewise; measured at 2e-6 for 512 channels."""
SIZES = [(4, 4), (5, 9), (16, 23), (37, 50)]
FIVE = [f"relu{block}_1" for block in range(1, 6)]


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use Winograd for any shape and dtype."""
    monkeypatch.setattr(convolution, "winograd_is_faster", lambda filters: True)
    monkeypatch.setattr("vangram.networks.backprop.winograd_has_room", lambda size: True)


def layer(channels: int, outputs: int, dtype: torch.dtype = torch.float64) -> nn.Conv2d:
    torch.manual_seed(channels)
    return nn.Conv2d(channels, outputs, 3).to(dtype).requires_grad_(False)


def plain(conv: nn.Conv2d, x: Tensor, reflect: bool) -> Tensor:
    x = F.pad(x, (1, 1, 1, 1), mode="reflect" if reflect else "constant")
    return F.relu(F.conv2d(x, conv.weight, conv.bias))


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("reflect", [False, True], ids=["zeros", "reflect"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.usefixtures("everywhere")
def test_winograd_and_its_gradient_equal_torch(size: tuple[int, int], reflect: bool) -> None:
    conv, x = layer(5, 7), noise(1, 5, *size).requires_grad_()
    wanted, grad = plain(conv, x, reflect), noise(1, 7, *size)
    (gradient,) = torch.autograd.grad(wanted, x, grad)
    fast = FixedConvolution(conv, reflect, Workspace())
    y = fast.forward(x.detach(), True)
    assert relative_error(y, wanted.detach()) < EXACT
    assert relative_error(fast.backward(grad.clone(), y, True), gradient) < EXACT


WINDOWS = [
    (slice(4, 13), slice(8, 17)),
    (slice(0, 9), slice(4, 23)),
    (slice(12, 16), slice(20, 23)),
    (slice(5, 6), slice(0, 23)),
]
"""Windows of 16 × 23 positions: inside, at the edges, in a corner, not aligned to tiles."""


@pytest.mark.parametrize("fast", [False, True], ids=["plain", "Winograd"])
@pytest.mark.parametrize("reflect", [False, True], ids=["zeros", "reflect"])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.usefixtures("everywhere")
def test_window_of_a_convolution_equals_the_whole(
    window: tuple[slice, slice], reflect: bool, fast: bool
) -> None:
    conv, x = layer(5, 7), noise(1, 5, 16, 23).requires_grad_()
    wanted = plain(conv, x, reflect)[:, :, window[0], window[1]]
    grad = noise(*wanted.shape)
    (gradient,) = torch.autograd.grad(wanted, x, grad)
    frozen_layer = FixedConvolution(conv, reflect, Workspace())
    y = frozen_layer.forward(x.detach(), fast, window)
    assert relative_error(y, wanted.detach()) < EXACT
    back = frozen_layer.backward(grad.clone(), y, fast, window, (16, 23))
    assert relative_error(back, gradient) < EXACT


@pytest.mark.parametrize("reflect", [False, True], ids=["zeros", "reflect"])
def test_plain_convolution_gradient_equals_autograd(reflect: bool) -> None:
    conv, x = layer(5, 7), noise(1, 5, 9, 11).requires_grad_()
    wanted, grad = plain(conv, x, reflect), noise(1, 7, 9, 11)
    (gradient,) = torch.autograd.grad(wanted, x, grad)
    slow = FixedConvolution(conv, reflect, Workspace())
    y = slow.forward(x.detach(), False)
    assert relative_error(y, wanted.detach()) < EXACT
    assert relative_error(slow.backward(grad.clone(), y, False), gradient) < EXACT


@pytest.mark.parametrize(("channels", "outputs"), [(128, 128), (128, 256), (512, 256)])
def test_winograd_in_float32_is_accurate(channels: int, outputs: int) -> None:
    conv, x = layer(channels, outputs, torch.float32), noise(1, channels, 37, 50).float()
    conv.weight.mul_(channels**-0.5)
    assert convolution.winograd_is_faster(conv.weight) == has_kernels(conv.weight)
    fast = FixedConvolution(conv, False, Workspace())
    assert relative_error(fast.forward(x, True), plain(conv, x, False)) < SINGLE


def test_block_size_does_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    conv, x = layer(6, 4), noise(1, 6, 61, 18)
    monkeypatch.setattr(gemm, "MIN_TILES", 4)
    results = []
    for block in (1, 40_000, 2**30):  # bytes: four tiles per block, a few more, all
        monkeypatch.setattr(gemm, "BLOCK_BYTES", block)
        results.append(Winograd(conv.weight, conv.bias)(x, Workspace()))
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_threads_do_not_change_the_result() -> None:
    conv, x, before = layer(6, 4), noise(1, 6, 61, 18), torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 23):
            torch.set_num_threads(threads)
            results.append(Winograd(conv.weight, conv.bias)(x, Workspace()))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_winograd_with_a_wrong_coefficient_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = (*winograd.G[:3], (1 / 24, 1 / 12, 1 / 6 + 1e-6), *winograd.G[4:])
    monkeypatch.setattr(winograd, "G", wrong)
    monkeypatch.setattr(convolution, "winograd_is_faster", lambda filters: True)
    conv, x = layer(5, 7), noise(1, 5, 16, 23)
    y = FixedConvolution(conv, False, Workspace()).forward(x, True)
    assert relative_error(y, plain(conv, x, False)) > EXACT


def grads(features: dict[str, Tensor]) -> Callable[[str, Tensor], Tensor]:
    drawn = {layer: noise(*f.shape).to(f.dtype) for layer, f in features.items()}
    return lambda layer, _: drawn[layer].clone()


def assert_trace_is_autograds(network: FeatureNetwork, layers: list[str]) -> None:
    image = batched(53, 70, seed=3).requires_grad_()
    features = network(image, layers)
    grad = grads(features)
    (gradient,) = torch.autograd.grad(
        list(features.values()), image, [grad(name, f) for name, f in features.items()]
    )
    forward = ForwardPass(network, image.detach(), layers)
    for name, wanted in features.items():
        assert relative_error(forward.features[name], wanted.detach()) < 1e-12
    assert relative_error(forward.backward(grad), gradient) < 1e-12  # through a dozen layers


@pytest.mark.parametrize("layers", [FIVE, ["relu4_2"], [*FIVE, "relu1_2", "relu4_4"]])
def test_forward_pass_equals_autograd(narrow: FeatureNetwork, layers: list[str]) -> None:
    assert_trace_is_autograds(narrow, layers)


@pytest.mark.usefixtures("everywhere")
def test_forward_pass_by_winograd_equals_autograd(
    narrow: FeatureNetwork, lite64: FeatureNetwork
) -> None:
    assert_trace_is_autograds(he_initialised(NARROW_VGG19), FIVE)
    assert_trace_is_autograds(lite64, FIVE)


def test_forward_pass_uses_moved_parameters() -> None:
    network, image = he_initialised(NARROW_VGG19), batched(20, 20, seed=1)
    ForwardPass(network, image, FIVE)
    assert (
        ForwardPass(network.float(), image.float(), FIVE).features["relu5_1"].dtype == torch.float32
    )
