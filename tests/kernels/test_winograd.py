"""Winograd's convolution against torch, for every kind of CPU, any threads and block sizes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.support import needs_llvm, relative_error, rounding
from vangram.kernels import gemm, winograd
from vangram.kernels.gemm import Workspace
from vangram.kernels.jit import CPU
from vangram.kernels.winograd import Winograd

pytestmark = needs_llvm

EXACT = rounding(9 * 32, condition=100)
"""Winograd's transforms have coefficients that add up to about 100."""
AVX512, AVX2 = CPU(vector=64, registers=32), CPU(vector=32, registers=16)
NEON, SSE = CPU(vector=16, registers=32), CPU(vector=16, registers=16)


def layer(channels: int, outputs: int, dtype: torch.dtype = torch.float64) -> nn.Conv2d:
    torch.manual_seed(channels)
    return nn.Conv2d(channels, outputs, 3).to(dtype).requires_grad_(False)


def plain(conv: nn.Conv2d, x: Tensor) -> Tensor:
    return F.relu(F.conv2d(x, conv.weight, conv.bias, padding=1))


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("processor", [AVX512, AVX2, NEON, SSE], ids=str)
@pytest.mark.parametrize(("channels", "outputs"), [(16, 48), (32, 64), (24, 20)])
def test_winograd_is_exact_on_every_kind_of_cpu(
    processor: CPU, channels: int, outputs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CPU, "host", lambda: processor)
    filters, x = noise(outputs, channels, 3, 3), noise(1, channels, 21, 18)
    wanted = F.conv2d(x, filters, padding=1)
    assert relative_error(Winograd(filters)(x, Workspace()), wanted) < EXACT


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
    conv, x = layer(5, 7), noise(1, 5, 16, 23)
    assert relative_error(Winograd(conv.weight, conv.bias)(x, Workspace()), plain(conv, x)) > EXACT
