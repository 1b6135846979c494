"""Compiled kernels against torch, for every kind of CPU and any number of threads."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import Tensor

from tests.support import relative_error
from vangram.kernels import jit
from vangram.kernels.codegen import Integer, KernelBuilder, Pointer, Vector
from vangram.kernels.gemm import Workspace
from vangram.kernels.jit import CPU, Kernel, has_kernels, lanes_for
from vangram.kernels.winograd import Winograd

pytestmark = pytest.mark.skipif(
    not has_kernels(torch.empty(0)), reason="no compiler for this Python"
)

AVX512, AVX2 = CPU(vector=64, registers=32), CPU(vector=32, registers=16)
NEON, SSE = CPU(vector=16, registers=32), CPU(vector=16, registers=16)


def noise(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


def mixed_arithmetic(
    kernel: KernelBuilder, item: Integer, x: Pointer, y: Pointer, out: Pointer, channels: Integer
) -> None:
    """Uses every operation of `Vector` and `Condition`."""
    with kernel.vectors(channels) as c:
        a, b = x[item * channels + c], y[item * channels + c]
        both = (a > 0.0) & ~(b > a)
        out[item * channels + c] = (a * 2.0 - b).where(both | a.equals(b)) + a.maximum(b) * b


def mixed_arithmetic_by_torch(x: Tensor, y: Tensor) -> Tensor:
    both = (x > 0) & ~(y > x)
    nothing = torch.zeros_like(x)
    return torch.where(both | (x == y), 2 * x - y, nothing) + torch.maximum(x, y) * y


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("channels", [3, 8, 48])
@pytest.mark.parametrize("items", [1, 2, 37])
def test_vector_arithmetic_equals_torch(items: int, channels: int, dtype: torch.dtype) -> None:
    x, y = noise(2, items, channels, dtype=dtype).unbind()
    y = torch.where(x.abs() < 0.3, x, y)  # makes some elements equal
    out = torch.full_like(x, torch.nan)
    Kernel(mixed_arithmetic, dtype, lanes_for(channels, dtype))(items, x, y, out, channels)
    # A product and a sum may be rounded once instead of twice.
    assert relative_error(out, mixed_arithmetic_by_torch(x, y)) < 4 * torch.finfo(dtype).eps


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("own", [False, True], ids=["OpenMP", "thread pool"])
def test_every_item_runs_once_on_any_threads(
    threads: int, own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if own:
        monkeypatch.setattr(jit, "_openmp", lambda: None)
    x, y = noise(2, 101, 4).unbind()
    out, before = torch.full_like(x, torch.nan), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        Kernel(mixed_arithmetic, torch.float64, 4)(101, x, y, out, 4)
    finally:
        torch.set_num_threads(before)
    assert relative_error(out, mixed_arithmetic_by_torch(x, y)) < 1e-15


def test_openmp_of_torch_is_found() -> None:
    if not (sys.platform == "linux" and "OpenMP" in torch.__config__.parallel_info()):
        pytest.skip("torch has no OpenMP of GNU's kind here")
    assert jit._openmp() is not None


def test_loops_and_branches_of_a_kernel() -> None:
    def body(
        kernel: KernelBuilder, item: Integer, x: Pointer, out: Pointer, count: Integer
    ) -> None:
        def step(c: Integer, carried: list[Vector]) -> list[Vector]:
            here = x.broadcast(item * count + c)
            return [carried[0] + here, carried[1].maximum(here)]

        total, largest = kernel.fold(count, 2, step)
        with kernel.when(item < 2):
            out[item] = total
        with kernel.when(item >= 2):
            out[(item * 10).minimum(item // 4 + 4 - item % 2).maximum(0)] = largest

    x, out = noise(4, 7), torch.zeros(5, dtype=torch.float64)
    Kernel(body, torch.float64, 1)(4, x, out, 7)
    sums, largest = x.sum(1), x.clamp_min(0).amax(1)
    wanted = torch.stack([sums[0], sums[1], torch.zeros_like(sums[0]), largest[3], largest[2]])
    assert out.tolist() == pytest.approx(wanted.tolist(), rel=1e-13)


def test_tensors_of_another_dtype_are_refused() -> None:
    x = noise(4, 4)
    with pytest.raises(AssertionError):
        Kernel(mixed_arithmetic, torch.float32, 4)(4, x, x, x, 4)


@pytest.mark.parametrize("processor", [AVX512, AVX2, NEON, SSE], ids=str)
@pytest.mark.parametrize(("channels", "outputs"), [(16, 48), (32, 64), (24, 20)])
def test_winograd_is_exact_on_every_kind_of_cpu(
    processor: CPU, channels: int, outputs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CPU, "host", lambda: processor)
    filters, x = noise(outputs, channels, 3, 3), noise(1, channels, 21, 18)
    wanted = torch.nn.functional.conv2d(x, filters, padding=1)
    assert relative_error(Winograd(filters)(x, Workspace()), wanted) < 1e-13
