"""Generated code against torch, and its use of LLVM's interface."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.support import needs_llvm, relative_error, rounding
from vangram.kernels import gpu
from vangram.kernels.codegen import Body, Integer, KernelBuilder, Pointer, Vector
from vangram.kernels.jit import Kernel, lanes_for

pytestmark = needs_llvm


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


def sum_or_maximum(
    kernel: KernelBuilder, item: Integer, x: Pointer, out: Pointer, count: Integer
) -> None:
    """The sum of a row of `x` for the first two items, its maximum for the others."""

    def step(c: Integer, carried: list[Vector]) -> list[Vector]:
        here = x.broadcast(item * count + c)
        return [carried[0] + here, carried[1].maximum(here)]

    total, largest = kernel.fold(count, 2, step)
    with kernel.when(item < 2):
        out[item] = total
    with kernel.when(item >= 2):
        out[(item * 10).minimum(item // 4 + 4 - item % 2).maximum(0)] = largest


def test_loops_and_branches_of_a_kernel() -> None:
    x, out = noise(4, 7), torch.zeros(5, dtype=torch.float64)
    Kernel(sum_or_maximum, torch.float64, 1)(4, x, out, 7)
    sums, largest = x.sum(1), x.clamp_min(0).amax(1)
    wanted = torch.stack([sums[0], sums[1], torch.zeros_like(sums[0]), largest[3], largest[2]])
    assert out.tolist() == pytest.approx(wanted.tolist(), rel=rounding(7, condition=50))


@pytest.mark.parametrize("body", [mixed_arithmetic, sum_or_maximum])
def test_generated_code_has_opaque_pointers_only(
    body: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Llvmlite will remove typed pointers; until then it writes them as `i64*`."""
    types = pytest.importorskip("llvmlite.ir.types")
    if not hasattr(types, "_TypedPointerType"):
        pytest.skip("this llvmlite has opaque pointers only")
    made = types._TypedPointerType.__init__

    def refuse(self: object, pointee: object, addrspace: int = 0) -> None:
        # llvmlite itself makes one for every function.
        assert isinstance(pointee, types.FunctionType), f"a typed pointer to {pointee}"
        made(self, pointee, addrspace)

    monkeypatch.setattr(types._TypedPointerType, "__init__", refuse)
    assert Kernel(body, torch.float32, 4)._engine
    if gpu._target():
        assert gpu.generate_ptx(body, torch.float32)
