"""PTX for GPUs, and the calls of the driver, recorded by a fake driver.

That the kernels calculate is tested in `tests/test_gpu.py`, where there is a GPU.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
import torch

from vangram.kernels import gpu
from vangram.kernels.codegen import HAS_LLVM, Integer, KernelBuilder, Pointer

pytestmark = pytest.mark.skipif(
    not (HAS_LLVM and gpu._target()), reason="no compiler for GPUs for this Python"
)


def double(kernel: KernelBuilder, item: Integer, x: Pointer, y: Pointer, channels: Integer) -> None:
    with kernel.vectors(channels) as c:
        y[item * channels + c] = x[item * channels + c] * 2.0


class Driver:
    """A fake driver that records its calls; its PTX compiler may be missing."""

    def __init__(self, *, compiles: bool = True) -> None:
        self.compiles = compiles
        self.loaded: list[bytes] = []
        self.launched: list[tuple[int, int, list[int]]] = []

    def cuModuleLoadData(self, module: Any, text: bytes) -> int:  # noqa: N802
        self.loaded.append(text)
        return 0 if self.compiles else 221

    def cuModuleGetFunction(self, function: Any, module: Any, name: bytes) -> int:  # noqa: N802
        assert name == b"kernel"
        return 0

    def cuLaunchKernel(self, function: Any, *how: Any) -> int:  # noqa: N802
        x, y, z, wide, high, deep, shared, stream, one_by_one, extra = how
        assert (y, z, high, deep, shared, stream.value, one_by_one) == (1, 1, 1, 1, 0, 7, None)
        assert (extra[0], extra[2], extra[4]) == (gpu.PARAM_POINTER, gpu.PARAM_SIZE, None)
        size = ctypes.c_size_t.from_address(extra[3]).value
        given = (ctypes.c_int64 * (size // 8)).from_address(extra[1])
        self.launched.append((x, wide, list(given)))
        return 0

    def cuGetErrorString(self, code: int, message: Any) -> int:  # noqa: N802
        message._obj.value = b"PTX JIT compiler library not found"
        return 0


class Stream:
    cuda_stream = 7


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    found = Driver()
    monkeypatch.setattr(gpu, "_driver", lambda: found)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "device", nullcontext)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: Stream)
    gpu.usable.cache_clear()
    yield found
    gpu.usable.cache_clear()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_ptx_maps_items_to_blocks_and_channels_to_threads(dtype: torch.dtype) -> None:
    text = gpu.generate_ptx(double, dtype)
    assert ".entry kernel(" in text
    bits = 8 * dtype.itemsize
    for told in (r"%tid\.x", r"%ctaid\.x", rf"ld\.global\.[bf]{bits}", rf"st\.global\.[bf]{bits}"):
        assert re.search(told, text)


def test_kernel_is_loaded_once_and_launched_with_its_arguments(driver: Driver) -> None:
    kernel = gpu.GPUKernel(double, torch.float32)
    for items in (5, 70_000):
        kernel([items, 2**40, 3, 96], torch.device("cuda", 0))
    assert len(driver.loaded) == 1
    assert driver.loaded[0].endswith(b"\0")
    given = [2**40, 3, 96]
    assert driver.launched == [(5, gpu.THREADS, given), (70_000, gpu.THREADS, given)]


@pytest.mark.parametrize("compiles", [False, True])
def test_gpu_without_ptx_compiler_is_not_usable(driver: Driver, compiles: bool) -> None:
    driver.compiles = compiles
    assert gpu.usable(torch.device("cuda", 0)) == compiles


def test_driver_error_is_in_the_message(driver: Driver) -> None:
    driver.compiles = False
    with pytest.raises(RuntimeError, match="cuModuleLoadData: PTX JIT compiler library not found"):
        gpu.GPUKernel(double, torch.float32)([5, 0, 0, 1], torch.device("cuda", 0))
