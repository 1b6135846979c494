"""Products of a frozen network's stages by kernels, against plain torch in float64."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from tests.support import relative_error
from vangram.kernels.gemm import OWN_TILES, OnProcessor, Workspace
from vangram.kernels.jit import has_kernels

pytestmark = pytest.mark.skipif(
    not has_kernels(torch.empty(0)), reason="no compiler for this Python"
)

EXACT = 1e-13
"""Float64, sums of some hundred products."""


def noise(*shape: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.fixture(params=[1, 2, 5])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """So many for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("own", [True, False], ids=["own tiles", "shared tiles"])
def test_products_are_the_same_whoever_multiplies_which_tiles(threads: int, own: bool) -> None:
    tiles = threads * OWN_TILES + (3 if own else -17)
    filters, inputs = noise(36, 24, 40), noise(36, tiles, 24, seed=2)
    multiply = OnProcessor(filters)
    V, M = multiply.tensors(tiles, Workspace())
    V[:, :tiles, :24] = inputs
    M.fill_(torch.nan)
    multiply(V, M)
    assert relative_error(M[:, :tiles], inputs @ filters) < EXACT
