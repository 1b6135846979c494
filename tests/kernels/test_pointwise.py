"""Correlation with 1×1 filters by the compiled kernel, against torch's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.support import rounding
from vangram.kernels import convolve_pointwise, jit

pytest.importorskip("llvmlite", reason="kernels are compiled by llvmlite")

SIZES = pytest.mark.parametrize("size", [(1, 24), (5, 7), (16, 16), (37, 61)])
"""With a last block that overlaps the one before it, and without."""
CHANNELS = pytest.mark.parametrize(
    ("channels", "outputs"), [(32, 64), (64, 32), (3, 96), (67, 128), (128, 16)]
)


def random(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@SIZES
@CHANNELS
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("biased", [True, False])
def test_products_are_those_of_torch(
    size: tuple[int, int], channels: int, outputs: int, relu: bool, biased: bool
) -> None:
    x, filters = random(1, channels, *size), random(outputs, channels)
    bias = random(outputs) if biased else None
    wanted = F.conv2d(x, filters[:, :, None, None], bias)
    wanted = wanted.relu() if relu else wanted
    found = convolve_pointwise(x, filters, bias, relu=relu)
    assert found.is_contiguous(memory_format=torch.channels_last)
    largest = float(x.abs().max() * filters.abs().max()) * channels**0.5
    torch.testing.assert_close(found, wanted, rtol=0, atol=rounding(channels + 1) * largest)


def test_every_position_is_computed_alike() -> None:
    x, filters = random(1, 64, 37, 61).float(), random(128, 64).float()
    whole = convolve_pointwise(x, filters)
    part = convolve_pointwise(x[:, :, 5:16, 7:20], filters)
    assert torch.equal(whole[:, :, 5:16, 7:20], part)


def test_values_that_are_not_finite_stay_so() -> None:
    x, filters = random(1, 32, 5, 7).float(), random(64, 32).float()
    x[0, 3, 2, 2], x[0, 4, 4, 4] = float("nan"), float("inf")
    found = convolve_pointwise(x, filters, relu=True)
    assert found[0, :, 2, 2].isnan().all()
    assert not found[0, :, 4, 4].isfinite().all()
    assert found[0, :, 0].isfinite().all()


@pytest.mark.parametrize("shape", [(2, 32, 8, 8), (1, 32, 1, 1)])
def test_shapes_without_a_kernel_are_left_to_torch(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jit.Kernel, "__call__", None)
    x, filters, bias = random(*shape), random(64, 32), random(64)
    wanted = F.conv2d(x, filters[:, :, None, None], bias).relu()
    assert torch.equal(convolve_pointwise(x, filters, bias, relu=True), wanted)
