"""Kernels: loops over vectors of channels, compiled when first wanted, where tensors are.

A convolution's transforms are sums of a few tensors; torch passes over memory once for each. Here
they are written once, as arithmetic on vectors, and LLVM makes of it one loop for this processor,
which torch's threads run, or for a GPU:

    def doubled(code: Code, item: Integer, x: Pointer, y: Pointer, channels: Integer) -> None:
        with code.vectors(channels) as c:
            y[item * channels + c] = x[item * channels + c] * 2.0

    kernel = Kernel(doubled, torch.float32, lanes_for(x.shape[1], torch.float32))
    kernel(len(x), x, y, x.shape[1])
"""

from __future__ import annotations

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vangram.kernels import gpu
from vangram.kernels.language import AVAILABLE, Body, Code, Integer, optimised

if AVAILABLE:
    from llvmlite import binding, ir

LINE = 64
"""Bytes that a cache reads at once."""


@dataclass(frozen=True)
class Processor:
    """What this machine's processor can hold."""

    vector: int
    """Bytes of a vector."""
    registers: int
    """Vectors at once."""

    @classmethod
    @cache
    def here(cls) -> Processor:
        """Of this machine."""
        features = _features()
        if features.get("avx512f"):
            return cls(vector=64, registers=32)
        if features.get("avx2"):
            return cls(vector=32, registers=16)
        arm = binding.get_process_triple().startswith(("aarch64", "arm64"))
        return cls(vector=16, registers=32 if arm else 16)


def has_kernels(x: Tensor) -> bool:
    """Whether there are kernels for such a tensor."""
    there = gpu.usable(x.device) if x.is_cuda else AVAILABLE and x.device.type == "cpu"
    return there and x.dtype in (torch.float32, torch.float64)


def channels_last(x: Tensor) -> Tensor:
    """(B, C, h, w) with channels innermost; the same tensor if they are."""
    return x if x.stride(1) == 1 else x.contiguous(memory_format=torch.channels_last)


def lanes_for(channels: int, dtype: torch.dtype) -> int:
    """Channels that a vector holds here: a power of two that divides their number."""
    lanes = Processor.here().vector // dtype.itemsize
    while channels % lanes:
        lanes //= 2
    return lanes


class Kernel:
    """A loop over items, compiled.

    Args:
        body: what is done to an item; its parameters say what is given for each call.
        dtype: of all tensors; float32 or float64.
        lanes: numbers in a vector of this processor's.
    """

    def __init__(self, body: Body, dtype: torch.dtype, lanes: int) -> None:
        self.body = body
        self.dtype = dtype
        self.lanes = lanes

    def __call__(self, items: int, *given: Tensor | int) -> None:
        """Run it for `items` items, each thread for as many.

        Args:
            items: how many.
            given: for a pointer a tensor, of which the memory counts and not the shape, and for an
                integer a number. Tensors are all on one device.
        """
        tensors = [each for each in given if isinstance(each, Tensor)]
        device = tensors[0].device
        assert {(each.dtype, each.device) for each in tensors} == {(self.dtype, device)}
        values = [items, *(e.data_ptr() if isinstance(e, Tensor) else e for e in given)]
        if device.type == "cuda":
            self._on_gpu(values, device)
        else:
            self._on_processor(values)

    def _on_processor(self, values: list[int]) -> None:
        items, arguments = values[0], (ctypes.c_int64 * len(values))(*values)
        threads, openmp = min(torch.get_num_threads(), items), _openmp()
        if threads == 1:
            self._loop(arguments, 0, 1)
        elif openmp is not None:
            openmp.GOMP_parallel(self._engine.get_function_address("team"), arguments, threads, 0)
        else:
            parts = (_pool().submit(self._loop, arguments, k, threads) for k in range(threads))
            for part in list(parts):
                part.result()

    @cached_property
    def _engine(self) -> Any:
        return _compiled(self.body, self.dtype, self.lanes)

    @cached_property
    def _loop(self) -> Any:
        return _LOOP(self._engine.get_function_address("loop"))

    @cached_property
    def _on_gpu(self) -> gpu.GPUKernel:
        return gpu.GPUKernel(self.body, self.dtype)


_LOOP = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
"""A kernel's `loop`: (arguments, which part of the items, of how many)."""


def _compiled(body: Body, dtype: torch.dtype, lanes: int) -> Any:
    """An engine that has `loop(arguments, part, parts)` and, with OpenMP, `team(arguments)`."""
    index, nothing = ir.IntType(64), ir.VoidType()
    module, given = ir.Module(), index.as_pointer()
    loop = ir.Function(module, ir.FunctionType(nothing, [given, index, index]), "loop")
    builder = ir.IRBuilder(loop.append_basic_block())
    code = Code(builder, dtype, lanes)
    values = [
        Integer(code, builder.load(builder.gep(loop.args[0], [ir.Constant(index, place)])))
        for place in range(1 + Code.arguments(body))
    ]
    items, part, parts = values[0], Integer(code, loop.args[1]), Integer(code, loop.args[2])
    with code.range(items * (part + 1) // parts, first=items * part // parts) as item:
        code.apply(body, item, values[1:])
    builder.ret_void()
    if (openmp := _openmp()) is not None:
        team = ir.Function(module, ir.FunctionType(nothing, [given]), "team")
        builder = ir.IRBuilder(team.append_basic_block())
        asked = []
        for name in ("omp_get_thread_num", "omp_get_num_threads"):
            binding.add_symbol(name, ctypes.cast(getattr(openmp, name), ctypes.c_void_p).value)
            ask = ir.Function(module, ir.FunctionType(ir.IntType(32), []), name)
            asked.append(builder.zext(builder.call(ask, []), index))
        builder.call(loop, [team.args[0], *asked])
        builder.ret_void()
    return _machine_code(str(module))


def _machine_code(text: str) -> Any:
    """An engine for a module, optimised for this processor."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_triple(binding.get_process_triple()).create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=",".join(f"{'+' if has else '-'}{name}" for name, has in _features().items()),
        opt=3,
    )
    engine = binding.create_mcjit_compiler(optimised(text, machine), machine)
    engine.finalize_object()
    return engine


@cache
def _features() -> dict[str, bool]:
    """What this machine's processor can do, as LLVM calls it; nothing where LLVM cannot tell."""
    try:
        return dict(binding.get_host_cpu_features())
    except RuntimeError:
        return {}


@cache
def _openmp() -> Any:
    """The OpenMP that torch itself runs on, or none where it speaks another language.

    Its threads are there already; others beside them would wait for the processors that torch's
    keep busy for a while after each piece of work.
    """
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        team = library.GOMP_parallel
    except (OSError, AttributeError):
        return None
    team.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    team.restype = None
    return library


@cache
def _pool() -> ThreadPoolExecutor:
    """Threads of our own, where torch's cannot be had."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="vangram-kernel")
