"""What is written for GPUs, and how the driver is asked: a driver that only takes notes will do.

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
from vangram.kernels.language import AVAILABLE, Code, Integer, Pointer

pytestmark = pytest.mark.skipif(
    not (AVAILABLE and gpu._target()), reason="no compiler for GPUs for this Python"
)


def doubled(code: Code, item: Integer, x: Pointer, y: Pointer, channels: Integer) -> None:
    with code.vectors(channels) as c:
        y[item * channels + c] = x[item * channels + c] * 2.0


class Driver:
    """Takes what is asked for down; its compiler may be missing."""

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
        assert (extra[0], extra[2], extra[4]) == (gpu.AT, gpu.SIZE, None)
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
def test_items_are_blocks_and_channels_are_shared_by_threads(dtype: torch.dtype) -> None:
    text = gpu.written(doubled, dtype)
    assert ".entry kernel(" in text
    bits = 8 * dtype.itemsize
    for told in (r"%tid\.x", r"%ctaid\.x", rf"ld\.global\.[bf]{bits}", rf"st\.global\.[bf]{bits}"):
        assert re.search(told, text)


def test_kernel_is_loaded_once_and_launched_with_what_is_given(driver: Driver) -> None:
    kernel = gpu.GPUKernel(doubled, torch.float32)
    for items in (5, 70_000):
        kernel([items, 2**40, 3, 96], torch.device("cuda", 0))
    assert len(driver.loaded) == 1
    assert driver.loaded[0].endswith(b"\0")
    given = [2**40, 3, 96]
    assert driver.launched == [(5, gpu.THREADS, given), (70_000, gpu.THREADS, given)]


@pytest.mark.parametrize("compiles", [False, True])
def test_plain_calls_serve_where_the_driver_cannot_compile(driver: Driver, compiles: bool) -> None:
    driver.compiles = compiles
    assert gpu.usable(torch.device("cuda", 0)) == compiles


def test_what_the_driver_says_is_passed_on(driver: Driver) -> None:
    driver.compiles = False
    with pytest.raises(RuntimeError, match="cuModuleLoadData: PTX JIT compiler library not found"):
        gpu.GPUKernel(doubled, torch.float32)([5, 0, 0, 1], torch.device("cuda", 0))
