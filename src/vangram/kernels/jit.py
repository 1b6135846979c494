"""Just-in-time compiled kernels: loops over items and vectors of channels, on the CPU or a GPU.

A convolution's transforms are sums of a few tensors; torch would pass over memory once for each
term. A kernel's body is written once, as arithmetic on vectors (`codegen`), and LLVM compiles it
when it is first called: to one loop for this CPU, run by torch's threads, or to PTX for a GPU.

    def double(
        kernel: KernelBuilder, item: Integer, x: Pointer, y: Pointer, channels: Integer
    ) -> None:
        with kernel.vectors(channels) as c:
            y[item * channels + c] = x[item * channels + c] * 2.0

    kernel = Kernel(double, torch.float32, lanes_for(x.shape[1], torch.float32))
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
from vangram.kernels.codegen import HAS_LLVM, Body, Integer, KernelBuilder, optimise

if HAS_LLVM:
    from llvmlite import binding, ir

CACHE_LINE = 64
"""Bytes of a cache line."""


@dataclass(frozen=True)
class CPU:
    """Vector registers of a CPU."""

    vector: int
    """Bytes of a vector register."""
    registers: int
    """Number of vector registers."""

    @classmethod
    @cache
    def host(cls) -> CPU:
        """The CPU of this machine."""
        features = _host_features()
        if features.get("avx512f"):
            return cls(vector=64, registers=32)
        if features.get("avx2"):
            return cls(vector=32, registers=16)
        arm = binding.get_process_triple().startswith(("aarch64", "arm64"))
        return cls(vector=16, registers=32 if arm else 16)


def has_kernels(x: Tensor) -> bool:
    """Whether kernels can be compiled for a tensor's device and dtype."""
    compiles = gpu.usable(x.device) if x.is_cuda else HAS_LLVM and x.device.type == "cpu"
    return compiles and x.dtype in (torch.float32, torch.float64)


def channels_last(x: Tensor) -> Tensor:
    """(B, C, h, w) in channels-last layout; the same tensor where it is already."""
    return x if x.stride(1) == 1 else x.contiguous(memory_format=torch.channels_last)


def full_lanes(dtype: torch.dtype) -> int:
    """Lanes of a whole vector on this CPU."""
    return CPU.host().vector // dtype.itemsize


def lanes_for(channels: int, dtype: torch.dtype) -> int:
    """Lanes of a vector on this CPU: the largest power of two that divides the channels."""
    lanes = full_lanes(dtype)
    while channels % lanes:
        lanes //= 2
    return lanes


class Kernel:
    """A loop over items, compiled when it is first called.

    Args:
        body: code of one item; its annotations are the types of a call's arguments.
        dtype: of all tensors; float32 or float64.
        lanes: of a vector on the CPU.
    """

    def __init__(self, body: Body, dtype: torch.dtype, lanes: int) -> None:
        self.body = body
        self.dtype = dtype
        self.lanes = lanes

    def __call__(self, items: int, *arguments: Tensor | int) -> None:
        """Run the kernel for `items` items, divided equally among threads.

        Args:
            items: number of items.
            arguments: a tensor for each `Pointer` (only its memory matters, not its shape), an int
                for each `Integer`. All tensors are on one device.
        """
        tensors = [each for each in arguments if isinstance(each, Tensor)]
        device = tensors[0].device
        assert {(each.dtype, each.device) for each in tensors} == {(self.dtype, device)}
        values = [items, *(e.data_ptr() if isinstance(e, Tensor) else e for e in arguments)]
        if device.type == "cuda":
            self._gpu_kernel(values, device)
        else:
            self._run_on_cpu(values)

    def _run_on_cpu(self, values: list[int]) -> None:
        items, arguments = values[0], (ctypes.c_int64 * len(values))(*values)
        threads, openmp = min(torch.get_num_threads(), items), _openmp()
        if threads == 1:
            self._loop(arguments, 0, 1)
        elif openmp is not None:
            openmp.GOMP_parallel(self._engine.get_function_address("team"), arguments, threads, 0)
        else:
            parts = (
                _thread_pool().submit(self._loop, arguments, k, threads) for k in range(threads)
            )
            for part in list(parts):
                part.result()

    @cached_property
    def _engine(self) -> Any:
        return _compile(self.body, self.dtype, self.lanes)

    @cached_property
    def _loop(self) -> Any:
        return _LOOP(self._engine.get_function_address("loop"))

    @cached_property
    def _gpu_kernel(self) -> gpu.GPUKernel:
        return gpu.GPUKernel(self.body, self.dtype)


_LOOP = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
"""C type of a kernel's `loop`: (arguments, part, number of parts)."""


def _compile(body: Body, dtype: torch.dtype, lanes: int) -> Any:
    """An engine with `loop(arguments, part, parts)` and, with OpenMP, `team(arguments)`."""
    index, void = ir.IntType(64), ir.VoidType()
    module, array = ir.Module(), ir.PointerType()
    loop = ir.Function(module, ir.FunctionType(void, [array, index, index]), "loop")
    llvm = ir.IRBuilder(loop.append_basic_block())
    kernel = KernelBuilder(llvm, dtype, lanes)
    values = []
    for place in range(1 + KernelBuilder.argument_count(body)):
        address = llvm.gep(loop.args[0], [ir.Constant(index, place)], source_etype=index)
        values.append(Integer(kernel, llvm.load(address, typ=index)))
    items, part, parts = values[0], Integer(kernel, loop.args[1]), Integer(kernel, loop.args[2])
    with kernel.range(items * (part + 1) // parts, first=items * part // parts) as item:
        kernel.emit(body, item, values[1:])
    llvm.ret_void()
    if (openmp := _openmp()) is not None:
        team = ir.Function(module, ir.FunctionType(void, [array]), "team")
        llvm = ir.IRBuilder(team.append_basic_block())
        results = []
        for name in ("omp_get_thread_num", "omp_get_num_threads"):
            binding.add_symbol(name, ctypes.cast(getattr(openmp, name), ctypes.c_void_p).value)
            function = ir.Function(module, ir.FunctionType(ir.IntType(32), []), name)
            results.append(llvm.zext(llvm.call(function, []), index))
        llvm.call(loop, [team.args[0], *results])
        llvm.ret_void()
    return _machine_code(str(module))


def _machine_code(text: str) -> Any:
    """An execution engine for a module of LLVM IR, optimised for this CPU."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_triple(binding.get_process_triple()).create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=",".join(f"{'+' if has else '-'}{name}" for name, has in _host_features().items()),
        opt=3,
    )
    engine = binding.create_mcjit_compiler(optimise(text, machine), machine)
    engine.finalize_object()
    return engine


@cache
def _host_features() -> dict[str, bool]:
    """Features of this CPU by LLVM's names; empty where LLVM cannot detect them."""
    try:
        return dict(binding.get_host_cpu_features())
    except RuntimeError:
        return {}


@cache
def _openmp() -> Any:
    """The OpenMP library that torch runs on; None where it has no `GOMP_parallel`.

    Its threads exist already. A second pool would compete with them for the cores: they spin for a
    while after each parallel region.
    """
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        parallel = library.GOMP_parallel
    except (OSError, AttributeError):
        return None
    parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    parallel.restype = None
    return library


@cache
def _thread_pool() -> ThreadPoolExecutor:
    """Threads for kernels where torch's OpenMP is not available."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="vangram-kernel")
