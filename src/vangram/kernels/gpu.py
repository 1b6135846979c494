"""Kernels on NVIDIA GPUs: LLVM compiles a body to PTX, the CUDA driver loads and launches it.

An item is a block of threads, and a vector is one float of one thread. Only the driver's library is
called, which is present wherever torch can use a GPU.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

import torch

from vangram.kernels.codegen import HAS_LLVM, Body, Integer, KernelBuilder, Pointer, optimise

if HAS_LLVM:
    from llvmlite import binding, ir

TRIPLE = "nvptx64-nvidia-cuda"
OLDEST_ARCHITECTURE = "sm_50"
"""Target of the PTX; the driver compiles it for the GPU that is there."""
GLOBAL_MEMORY = 1
"""LLVM's address space of tensors."""
PARAM_END, PARAM_POINTER, PARAM_SIZE = 0, 1, 2
"""The driver's CU_LAUNCH_PARAM_... constants, for arguments passed in one buffer."""
THREADS = 64
"""Threads of a block: as many as the fewest channels that Winograd is used for."""


class GPUKernel:
    """A kernel on GPUs, loaded on a device when it is first called there.

    Args:
        body: code of one item.
        dtype: of all tensors.
    """

    def __init__(self, body: Body, dtype: torch.dtype) -> None:
        self._ptx = generate_ptx(body, dtype)
        self._functions: dict[int, Any] = {}

    def __call__(self, values: list[int], device: torch.device) -> None:
        """Launch the kernel on the device's current stream.

        Args:
            values: number of items, then the arguments, addresses for pointers.
            device: of the tensors.
        """
        if device.index != torch.cuda.current_device():
            with torch.cuda.device(device):
                return self(values, device)
        if device.index not in self._functions:
            self._functions[device.index] = _load(self._ptx)
        stream = ctypes.c_void_p(torch.cuda.current_stream(device).cuda_stream)
        arguments = (ctypes.c_int64 * (len(values) - 1))(*values[1:])
        size = ctypes.c_size_t(ctypes.sizeof(arguments))
        extra = (ctypes.c_void_p * 5)(
            PARAM_POINTER, ctypes.addressof(arguments),
            PARAM_SIZE, ctypes.addressof(size), PARAM_END,
        )  # fmt: skip
        _call(
            "cuLaunchKernel", self._functions[device.index],
            values[0], 1, 1, THREADS, 1, 1, 0, stream, None, extra,
        )  # fmt: skip


@cache
def usable(device: torch.device) -> bool:
    """Whether kernels run on a GPU; tested by loading one."""
    if not HAS_LLVM or torch.version.cuda is None or _driver() is None or _target() is None:
        return False
    try:
        with torch.cuda.device(device):
            _load(generate_ptx(_no_op, torch.float32))
    except RuntimeError:  # the driver's PTX compiler is not installed
        return False
    return True


def _no_op(kernel: KernelBuilder, item: Integer, x: Pointer) -> None:
    """A no-op kernel, to probe the driver's compiler."""


def generate_ptx(body: Body, dtype: torch.dtype) -> str:
    """PTX of a kernel, whose entry point is called "kernel"."""
    index, count = ir.IntType(64), ir.IntType(32)
    module = ir.Module()
    module.triple = TRIPLE
    kinds = [index] * KernelBuilder.argument_count(body)
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), "kernel")
    function.calling_convention = "ptx_kernel"
    llvm = ir.IRBuilder(function.append_basic_block())

    def read_register(name: str) -> Any:
        kind = ir.FunctionType(count, [])
        intrinsic = ir.Function(module, kind, f"llvm.nvvm.read.ptx.sreg.{name}")
        return llvm.zext(llvm.call(intrinsic, []), index)

    channel_range = read_register("tid.x"), ir.Constant(index, THREADS)
    kernel = KernelBuilder(llvm, dtype, 1, GLOBAL_MEMORY, channel_range)
    item = Integer(kernel, read_register("ctaid.x"))
    kernel.emit(body, item, [Integer(kernel, argument) for argument in function.args])
    llvm.ret_void()
    machine = _target().create_target_machine(cpu=OLDEST_ARCHITECTURE, opt=3)
    text: str = machine.emit_assembly(optimise(str(module), machine))
    return text


@cache
def _target() -> Any:
    """LLVM's target for NVIDIA GPUs; None where LLVM was built without it."""
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    try:
        return binding.Target.from_triple(TRIPLE)
    except RuntimeError:
        return None


@cache
def _driver() -> Any:
    """The CUDA driver's library; None where there is none."""
    try:
        return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None


def _load(ptx: str) -> Any:
    """Load a kernel on the current device; returns the driver's function handle."""
    module, function = ctypes.c_void_p(), ctypes.c_void_p()
    torch.cuda.synchronize()  # makes torch's context current in this thread
    _call("cuModuleLoadData", ctypes.byref(module), ptx.encode() + b"\0")
    _call("cuModuleGetFunction", ctypes.byref(function), module, b"kernel")
    return function


def _call(name: str, *arguments: Any) -> None:
    code = getattr(_driver(), name)(*arguments)
    if code:
        message = ctypes.c_char_p()
        _driver().cuGetErrorString(code, ctypes.byref(message))
        raise RuntimeError(f"{name}: {(message.value or b'').decode() or code}")
