"""Kernels: what is written down is what torch calculates, on every kind of processor and thread."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import Tensor

from tests.support import relative_error
from vangram.kernels import jit
from vangram.kernels.gemm import Workspace
from vangram.kernels.jit import Kernel, Processor, has_kernels, lanes_for
from vangram.kernels.language import Code, Integer, Pointer, Vector
from vangram.kernels.winograd import Winograd

pytestmark = pytest.mark.skipif(
    not has_kernels(torch.empty(0)), reason="no compiler for this Python"
)

AVX512, AVX2 = Processor(vector=64, registers=32), Processor(vector=32, registers=16)
NEON, SSE = Processor(vector=16, registers=32), Processor(vector=16, registers=16)


def noise(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=dtype)


def calculated(
    code: Code, item: Integer, x: Pointer, y: Pointer, out: Pointer, channels: Integer
) -> None:
    """Something of everything that vectors can do."""
    with code.vectors(channels) as c:
        a, b = x[item * channels + c], y[item * channels + c]
        both = (a > 0.0) & ~(b > a)
        out[item * channels + c] = (a * 2.0 - b).where(both | a.equals(b)) + a.maximum(b) * b


def as_torch_has_it(x: Tensor, y: Tensor) -> Tensor:
    both = (x > 0) & ~(y > x)
    nothing = torch.zeros_like(x)
    return torch.where(both | (x == y), 2 * x - y, nothing) + torch.maximum(x, y) * y


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("channels", [3, 8, 48])
@pytest.mark.parametrize("items", [1, 2, 37])
def test_vectors_are_calculated_as_torch_does(
    items: int, channels: int, dtype: torch.dtype
) -> None:
    x, y = noise(2, items, channels, dtype=dtype).unbind()
    y = torch.where(x.abs() < 0.3, x, y)  # so that some are equal
    out = torch.full_like(x, torch.nan)
    Kernel(calculated, dtype, lanes_for(channels, dtype))(items, x, y, out, channels)
    # A product and a sum may be rounded once instead of twice.
    assert relative_error(out, as_torch_has_it(x, y)) < 4 * torch.finfo(dtype).eps


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("own", [False, True], ids=["torch's threads", "our own"])
def test_every_item_is_done_whoever_does_it(
    threads: int, own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if own:
        monkeypatch.setattr(jit, "_openmp", lambda: None)
    x, y = noise(2, 101, 4).unbind()
    out, before = torch.full_like(x, torch.nan), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        Kernel(calculated, torch.float64, 4)(101, x, y, out, 4)
    finally:
        torch.set_num_threads(before)
    assert relative_error(out, as_torch_has_it(x, y)) < 1e-15


def test_torchs_openmp_is_found_where_torch_has_one() -> None:
    if not (sys.platform == "linux" and "OpenMP" in torch.__config__.parallel_info()):
        pytest.skip("torch has no OpenMP of GNU's kind here")
    assert jit._openmp() is not None


def test_integers_choose_and_loops_repeat() -> None:
    def body(code: Code, item: Integer, x: Pointer, out: Pointer, count: Integer) -> None:
        def step(c: Integer, carried: list[Vector]) -> list[Vector]:
            here = x.spread(item * count + c)
            return [carried[0] + here, carried[1].maximum(here)]

        total, largest = code.fold(count, 2, step)
        with code.when(item < 2):
            out[item] = total
        with code.when(item >= 2):
            out[(item * 10).minimum(item // 4 + 4 - item % 2).maximum(0)] = largest

    x, out = noise(4, 7), torch.zeros(5, dtype=torch.float64)
    Kernel(body, torch.float64, 1)(4, x, out, 7)
    sums, largest = x.sum(1), x.clamp_min(0).amax(1)
    wanted = torch.stack([sums[0], sums[1], torch.zeros_like(sums[0]), largest[3], largest[2]])
    assert out.tolist() == pytest.approx(wanted.tolist(), rel=1e-13)


def test_tensors_of_another_kind_are_refused() -> None:
    x = noise(4, 4)
    with pytest.raises(AssertionError):
        Kernel(calculated, torch.float32, 4)(4, x, x, x, 4)


@pytest.mark.parametrize("processor", [AVX512, AVX2, NEON, SSE], ids=str)
@pytest.mark.parametrize(("channels", "outputs"), [(16, 48), (32, 64), (24, 20)])
def test_winograd_is_right_for_every_kind_of_processor(
    processor: Processor, channels: int, outputs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Processor, "here", lambda: processor)
    filters, x = noise(outputs, channels, 3, 3), noise(1, channels, 21, 18)
    wanted = torch.nn.functional.conv2d(x, filters, padding=1)
    assert relative_error(Winograd(filters)(x, Workspace()), wanted) < 1e-13
