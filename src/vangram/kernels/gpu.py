"""The same kernels on an NVIDIA GPU: LLVM writes them for it, and the driver puts them to work.

An item is a block of threads, and each of its vectors is one number of a thread. Nothing but the
driver is called, which is there wherever torch can use a GPU.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

import torch

from vangram.kernels.language import AVAILABLE, Body, Code, Integer, Pointer, optimised

if AVAILABLE:
    from llvmlite import binding, ir

TRIPLE = "nvptx64-nvidia-cuda"
OLDEST = "sm_50"
"""What code is written for; drivers make of it what newer GPUs want."""
GLOBAL = 1
"""LLVM's number for the memory that tensors lie in."""
END, AT, SIZE = 0, 1, 2
"""How the driver is told of a kernel's arguments: all of them in one piece of memory."""
THREADS = 64
"""Of a block: as many as the fewest channels that are worth it."""


class GPUKernel:
    """A kernel for GPUs.

    Args:
        body: what is done to an item.
        dtype: of all tensors.
    """

    def __init__(self, body: Body, dtype: torch.dtype) -> None:
        self._text = written(body, dtype)
        self._functions: dict[int, Any] = {}

    def __call__(self, values: list[int], device: torch.device) -> None:
        """Run it after whatever the device has to do before.

        Args:
            values: the items, and what is given for each call, addresses for pointers.
            device: where these are.
        """
        if device.index != torch.cuda.current_device():
            with torch.cuda.device(device):
                return self(values, device)
        if device.index not in self._functions:
            self._functions[device.index] = _loaded(self._text)
        stream = ctypes.c_void_p(torch.cuda.current_stream(device).cuda_stream)
        given = (ctypes.c_int64 * (len(values) - 1))(*values[1:])
        size = ctypes.c_size_t(ctypes.sizeof(given))
        extra = (ctypes.c_void_p * 5)(
            AT, ctypes.addressof(given), SIZE, ctypes.addressof(size), END
        )  # fmt: skip
        _call(
            "cuLaunchKernel", self._functions[device.index],
            values[0], 1, 1, THREADS, 1, 1, 0, stream, None, extra,
        )  # fmt: skip


@cache
def usable(device: torch.device) -> bool:
    """Whether there are kernels for a GPU: whether its driver takes one, to be sure."""
    if not AVAILABLE or torch.version.cuda is None or _driver() is None or _target() is None:
        return False
    try:
        with torch.cuda.device(device):
            _loaded(written(_nothing, torch.float32))
    except RuntimeError:  # where the driver's compiler is not installed
        return False
    return True


def _nothing(code: Code, item: Integer, x: Pointer) -> None:
    """What is easily done."""


def written(body: Body, dtype: torch.dtype) -> str:
    """A kernel in the driver's language, by the name of "kernel"."""
    index, count = ir.IntType(64), ir.IntType(32)
    module = ir.Module()
    module.triple = TRIPLE
    kinds = [index] * Code.arguments(body)
    kernel = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), "kernel")
    kernel.calling_convention = "ptx_kernel"
    builder = ir.IRBuilder(kernel.append_basic_block())

    def told(register: str) -> Any:
        kind = ir.FunctionType(count, [])
        ask = ir.Function(module, kind, f"llvm.nvvm.read.ptx.sreg.{register}")
        return builder.zext(builder.call(ask, []), index)

    code = Code(builder, dtype, 1, GLOBAL, share=(told("tid.x"), ir.Constant(index, THREADS)))
    item = Integer(code, told("ctaid.x"))
    code.apply(body, item, [Integer(code, argument) for argument in kernel.args])
    builder.ret_void()
    machine = _target().create_target_machine(cpu=OLDEST, opt=3)
    text: str = machine.emit_assembly(optimised(str(module), machine))
    return text


@cache
def _target() -> Any:
    """What LLVM needs to write for NVIDIA's GPUs, or none."""
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    try:
        return binding.Target.from_triple(TRIPLE)
    except RuntimeError:
        return None


@cache
def _driver() -> Any:
    """The driver's library, or none."""
    try:
        return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None


def _loaded(text: str) -> Any:
    """A kernel on the current device."""
    module, function = ctypes.c_void_p(), ctypes.c_void_p()
    torch.cuda.synchronize()  # which makes torch's context the driver's in this thread
    _call("cuModuleLoadData", ctypes.byref(module), text.encode() + b"\0")
    _call("cuModuleGetFunction", ctypes.byref(function), module, b"kernel")
    return function


def _call(name: str, *arguments: Any) -> None:
    code = getattr(_driver(), name)(*arguments)
    if code:
        message = ctypes.c_char_p()
        _driver().cuGetErrorString(code, ctypes.byref(message))
        raise RuntimeError(f"{name}: {(message.value or b'').decode() or code}")
