"""Compiled kernels on any number of threads, on torch's OpenMP and on a thread pool."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import Tensor

from tests.support import needs_llvm
from vangram.kernels import jit
from vangram.kernels.codegen import Integer, KernelBuilder, Pointer
from vangram.kernels.jit import Kernel

pytestmark = needs_llvm


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def double(kernel: KernelBuilder, item: Integer, x: Pointer, y: Pointer, channels: Integer) -> None:
    with kernel.vectors(channels) as c:
        y[item * channels + c] = x[item * channels + c] * 2.0


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("own", [False, True], ids=["OpenMP", "thread pool"])
def test_every_item_runs_once_on_any_threads(
    threads: int, own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if own:
        monkeypatch.setattr(jit, "_openmp", lambda: None)
    x, before = noise(101, 4), torch.get_num_threads()
    y = torch.full_like(x, torch.nan)
    torch.set_num_threads(threads)
    try:
        Kernel(double, torch.float64, 4)(101, x, y, 4)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(y, 2 * x)


def test_openmp_of_torch_is_found() -> None:
    if not (sys.platform == "linux" and "OpenMP" in torch.__config__.parallel_info()):
        pytest.skip("torch has no OpenMP of GNU's kind here")
    assert jit._openmp() is not None


def test_tensors_of_another_dtype_are_refused() -> None:
    x = noise(4, 4)
    with pytest.raises(AssertionError):
        Kernel(double, torch.float32, 4)(4, x, x, 4)
