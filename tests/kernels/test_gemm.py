"""Batched products by the compiled kernel against torch in float64."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from tests.support import needs_llvm, relative_error, rounding
from vangram.kernels.gemm import MIN_TILES_PER_THREAD, CPUGemm, Workspace

pytestmark = needs_llvm

EXACT = rounding(24)
"""Sums over 24 channels."""


def noise(*shape: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.fixture(params=[1, 2, 5])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Number of torch's threads during the test."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("own", [True, False], ids=["own tiles", "shared tiles"])
def test_gemm_equals_torch_for_any_threads(threads: int, own: bool) -> None:
    tiles = threads * MIN_TILES_PER_THREAD + (3 if own else -17)
    filters, inputs = noise(36, 24, 40), noise(36, tiles, 24, seed=2)
    multiply = CPUGemm(filters)
    V, M = multiply.buffers(tiles, Workspace())
    V[:, :tiles, :24] = inputs
    M.fill_(torch.nan)
    multiply(V, M)
    assert relative_error(M[:, :tiles], inputs @ filters) < EXACT
