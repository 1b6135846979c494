"""Convolutions with fixed filters, by Winograd and by torch, and their gradients, by autograd."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.support import needs_llvm, relative_error, rounding
from vangram.kernels import FixedConvolution, convolution, fixed_convolutions
from vangram.kernels.jit import has_kernels

EXACT = rounding(9 * 7, condition=100)
"""Winograd's transforms have coefficients that add up to about 100."""
SINGLE = rounding(9 * 512, dtype=torch.float32)
"""In float32; the errors of transforms are smaller than those of sums over 512 channels."""
SIZES = [(4, 4), (5, 9), (16, 23), (37, 50)]


@pytest.fixture(params=["torch", pytest.param("Winograd", marks=needs_llvm)])
def algorithm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The algorithm of all convolutions, for any shape and dtype."""
    used = request.param == "Winograd"
    monkeypatch.setattr(convolution, "winograd_is_faster", lambda filters: used)


def layer(channels: int, outputs: int, dtype: torch.dtype = torch.float64) -> nn.Conv2d:
    torch.manual_seed(channels)
    return nn.Conv2d(channels, outputs, 3).to(dtype).requires_grad_(False)


def fixed(conv: nn.Conv2d, reflect: bool = False) -> FixedConvolution:
    return fixed_convolutions({"conv": conv}, reflect=reflect)["conv"]


def plain(conv: nn.Conv2d, x: Tensor, reflect: bool) -> Tensor:
    x = F.pad(x, (1, 1, 1, 1), mode="reflect" if reflect else "constant")
    return F.relu(F.conv2d(x, conv.weight, conv.bias))


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.usefixtures("algorithm")
@pytest.mark.parametrize("reflect", [False, True], ids=["zeros", "reflect"])
@pytest.mark.parametrize("size", SIZES)
def test_convolution_and_its_gradient_equal_autograd(size: tuple[int, int], reflect: bool) -> None:
    conv, x = layer(5, 7), noise(1, 5, *size).requires_grad_()
    wanted, grad = plain(conv, x, reflect), noise(1, 7, *size)
    (gradient,) = torch.autograd.grad(wanted, x, grad)
    convolve = fixed(conv, reflect)
    y = convolve.forward(x.detach(), winograd=True)
    assert relative_error(y, wanted.detach()) < EXACT
    assert relative_error(convolve.backward(grad.clone(), y, winograd=True), gradient) < EXACT


WINDOWS = [
    (slice(4, 13), slice(8, 17)),
    (slice(0, 9), slice(4, 23)),
    (slice(12, 16), slice(20, 23)),
    (slice(5, 6), slice(0, 23)),
]
"""Windows of 16 × 23 positions: inside, at the edges, in a corner, not aligned to tiles."""


@pytest.mark.usefixtures("algorithm")
@pytest.mark.parametrize("reflect", [False, True], ids=["zeros", "reflect"])
@pytest.mark.parametrize("window", WINDOWS)
def test_window_of_a_convolution_equals_the_whole(
    window: tuple[slice, slice], reflect: bool
) -> None:
    conv, x = layer(5, 7), noise(1, 5, 16, 23).requires_grad_()
    wanted = plain(conv, x, reflect)[:, :, window[0], window[1]]
    grad = noise(*wanted.shape)
    (gradient,) = torch.autograd.grad(wanted, x, grad)
    convolve = fixed(conv, reflect)
    y = convolve.forward(x.detach(), True, window)
    assert relative_error(y, wanted.detach()) < EXACT
    back = convolve.backward(grad.clone(), y, True, window, (16, 23))
    assert relative_error(back, gradient) < EXACT


@pytest.mark.parametrize(("channels", "outputs"), [(128, 128), (128, 256), (512, 256)])
def test_convolution_in_float32_uses_winograd_and_is_accurate(channels: int, outputs: int) -> None:
    conv, x = layer(channels, outputs, torch.float32), noise(1, channels, 37, 50).float()
    conv.weight.mul_(channels**-0.5)
    y, by_torch = (fixed(conv).forward(x, winograd) for winograd in (True, False))
    assert torch.equal(y, by_torch) != has_kernels(conv.weight)
    assert relative_error(y, plain(conv, x, False)) < SINGLE
