"""Loops over vectors of channels, compiled when they are first wanted and run by torch's threads.

A convolution's transforms are sums of a few tensors; torch passes over memory once for each. Here
they are written once, as arithmetic on `Vector`s, and LLVM makes of it one loop for this processor:

    def doubled(code: Code, item: Integer, x: Pointer, y: Pointer, channels: Integer) -> None:
        with code.range(channels, step=code.lanes) as c:
            y[item * channels + c] = x[item * channels + c] * 2.0

    kernel = Kernel(doubled, torch.float32, lanes_for(x.shape[1], torch.float32))
    kernel(len(x), x, y, x.shape[1])
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import torch
from torch import Tensor

try:
    from llvmlite import binding, ir
except ImportError:  # where there is none for this Python yet
    AVAILABLE = False
else:
    AVAILABLE = True

LINE = 64
"""Bytes that a cache reads at once."""
Body = Callable[..., None]
"""What a kernel does to one item: (code, item, pointers and integers ...)."""


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
        features = binding.get_host_cpu_features()
        if features.get("avx512f"):
            return cls(vector=64, registers=32)
        if features.get("avx2"):
            return cls(vector=32, registers=16)
        arm = binding.get_process_triple().startswith(("aarch64", "arm64"))
        return cls(vector=16, registers=32 if arm else 16)


def takes(x: Tensor) -> bool:
    """Whether there are kernels for such a tensor."""
    return AVAILABLE and x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)


def innermost(x: Tensor) -> Tensor:
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
        lanes: numbers in a vector.
    """

    def __init__(self, body: Body, dtype: torch.dtype, lanes: int) -> None:
        self.dtype = dtype
        self._engine = _compiled(body, dtype, lanes)
        self._loop = _LOOP(self._engine.get_function_address("loop"))

    def __call__(self, items: int, *given: Tensor | int) -> None:
        """Run it for `items` items, each thread for as many.

        Args:
            items: how many.
            given: for a pointer a tensor, of which the memory counts and not the shape, and for an
                integer a number.
        """
        values = [items]
        for each in given:
            if isinstance(each, Tensor):
                assert (each.dtype, each.device.type) == (self.dtype, "cpu")
                values.append(each.data_ptr())
            else:
                values.append(each)
        arguments = (ctypes.c_int64 * len(values))(*values)
        threads, openmp = min(torch.get_num_threads(), items), _openmp()
        if threads == 1:
            self._loop(arguments, 0, 1)
        elif openmp is not None:
            openmp.GOMP_parallel(self._engine.get_function_address("team"), arguments, threads, 0)
        else:
            parts = (_pool().submit(self._loop, arguments, k, threads) for k in range(threads))
            for part in list(parts):
                part.result()


@dataclass(frozen=True)
class Integer:
    """A 64-bit number of a kernel."""

    code: Code
    ir: Any

    def __add__(self, other: Integer | int) -> Integer:
        return self._of("add", other)

    def __sub__(self, other: Integer | int) -> Integer:
        return self._of("sub", other)

    def __mul__(self, other: Integer | int) -> Integer:
        return self._of("mul", other)

    def __floordiv__(self, other: Integer | int) -> Integer:
        """Of numbers that are not negative."""
        return self._of("udiv", other)

    def __mod__(self, other: Integer | int) -> Integer:
        """Of numbers that are not negative."""
        return self._of("urem", other)

    def __lt__(self, other: Integer | int) -> Condition:
        other = self.code.integer(other)
        return Condition(self.code, self.code.builder.icmp_signed("<", self.ir, other.ir))

    def __le__(self, other: Integer | int) -> Condition:
        return self < (self.code.integer(other) + 1)

    def __ge__(self, other: Integer | int) -> Condition:
        other = self.code.integer(other)
        return Condition(self.code, self.code.builder.icmp_signed(">=", self.ir, other.ir))

    def minimum(self, other: Integer | int) -> Integer:
        """The smaller of two."""
        return self.code.integer(other).where(~(self < other), self)

    def maximum(self, other: Integer | int) -> Integer:
        """The larger of two."""
        return self.code.integer(other).where(self < other, self)

    def where(self, condition: Condition, otherwise: Integer) -> Integer:
        """This where the condition holds, and the other where it does not."""
        return Integer(
            self.code, self.code.builder.select(condition.ir, self.ir, otherwise.ir)
        )

    def _of(self, operation: str, other: Integer | int) -> Integer:
        other = self.code.integer(other)
        return Integer(self.code, getattr(self.code.builder, operation)(self.ir, other.ir))


@dataclass(frozen=True)
class Condition:
    """What holds or does not, for a kernel's item, or for each number of a vector."""

    code: Code
    ir: Any

    def __and__(self, other: Condition) -> Condition:
        return Condition(self.code, self.code.builder.and_(self.ir, other.ir))

    def __or__(self, other: Condition) -> Condition:
        return Condition(self.code, self.code.builder.or_(self.ir, other.ir))

    def __invert__(self) -> Condition:
        return Condition(self.code, self.code.builder.not_(self.ir))


@dataclass(frozen=True)
class Vector:
    """Numbers side by side; products and sums may be contracted to one rounding."""

    code: Code
    ir: Any

    def __add__(self, other: Vector | float) -> Vector:
        return self._of("fadd", other)

    def __sub__(self, other: Vector | float) -> Vector:
        return self._of("fsub", other)

    def __mul__(self, other: Vector | float) -> Vector:
        return self._of("fmul", other)

    __rmul__ = __mul__

    def __gt__(self, other: Vector | float) -> Condition:
        return self._compared(">", other)

    def equals(self, other: Vector | float) -> Condition:
        """Where they are the same."""
        return self._compared("==", other)

    def where(self, condition: Condition) -> Vector:
        """This where the condition holds, and zero where it does not."""
        nothing = self.code.vector(0.0)
        return Vector(self.code, self.code.builder.select(condition.ir, self.ir, nothing.ir))

    def maximum(self, other: Vector | float) -> Vector:
        """The larger of two; this one where that cannot be said."""
        other = self.code.vector(other)
        larger = self.code.builder.fcmp_ordered("<", self.ir, other.ir)
        return Vector(self.code, self.code.builder.select(larger, other.ir, self.ir))

    def _of(self, operation: str, other: Vector | float) -> Vector:
        other, operate = self.code.vector(other), getattr(self.code.builder, operation)
        return Vector(self.code, operate(self.ir, other.ir, flags=("contract",)))

    def _compared(self, how: str, other: Vector | float) -> Condition:
        other = self.code.vector(other)
        return Condition(self.code, self.code.builder.fcmp_ordered(how, self.ir, other.ir))


@dataclass(frozen=True)
class Pointer:
    """Numbers in memory; offsets count numbers, and what is read and written is a vector."""

    code: Code
    ir: Any

    def __getitem__(self, offset: Integer) -> Vector:
        loaded = self.code.builder.load(self._at(offset))
        loaded.align = self.code.itemsize
        return Vector(self.code, loaded)

    def __setitem__(self, offset: Integer, value: Vector) -> None:
        stored = self.code.builder.store(value.ir, self._at(offset))
        stored.align = self.code.itemsize

    def spread(self, offset: Integer) -> Vector:
        """One number in all places of a vector."""
        builder, numbers = self.code.builder, self.code.numbers
        loaded = builder.load(builder.gep(self.ir, [offset.ir]))
        loaded.align = self.code.itemsize
        first, nothing = ir.Constant(ir.IntType(32), 0), ir.Constant(numbers, ir.Undefined)
        places = ir.Constant(ir.VectorType(ir.IntType(32), self.code.lanes), [0] * self.code.lanes)
        one = builder.insert_element(nothing, loaded, first)
        return Vector(self.code, builder.shuffle_vector(one, nothing, places))

    def _at(self, offset: Integer) -> Any:
        builder = self.code.builder
        at = builder.gep(self.ir, [offset.ir])
        return builder.bitcast(at, self.code.numbers.as_pointer())


class Code:
    """A kernel while it is written."""

    def __init__(self, builder: Any, dtype: torch.dtype, lanes: int) -> None:
        self.builder = builder
        self.lanes = lanes
        self.itemsize = dtype.itemsize
        self.number = ir.DoubleType() if dtype == torch.float64 else ir.FloatType()
        self.numbers = ir.VectorType(self.number, lanes)

    def integer(self, value: Integer | int) -> Integer:
        """A constant, if it is not one of the kernel's."""
        return value if isinstance(value, Integer) else Integer(self, ir.Constant(ir.IntType(64), value))

    def vector(self, value: Vector | float) -> Vector:
        """A constant in all places, if it is not one of the kernel's."""
        if isinstance(value, Vector):
            return value
        return Vector(self, ir.Constant(self.numbers, [ir.Constant(self.number, value)] * self.lanes))

    def pointer(self, address: Integer) -> Pointer:
        """To numbers of the kernel's kind."""
        return Pointer(self, self.builder.inttoptr(address.ir, self.number.as_pointer()))

    @contextmanager
    def range(self, stop: Integer, first: Integer | int = 0, step: int = 1) -> Iterator[Integer]:
        """Repeat what is written inside."""
        builder, before = self.builder, self.builder.block
        head, inside, after = (builder.append_basic_block() for _ in range(3))
        builder.branch(head)
        builder.position_at_end(head)
        index = builder.phi(ir.IntType(64))
        index.add_incoming(self.integer(first).ir, before)
        builder.cbranch((Integer(self, index) < stop).ir, inside, after)
        builder.position_at_end(inside)
        yield Integer(self, index)
        index.add_incoming((Integer(self, index) + step).ir, builder.block)
        builder.branch(head)
        builder.position_at_end(after)

    def fold(
        self, times: Integer, count: int, step: Callable[[Integer, list[Vector]], list[Vector]]
    ) -> list[Vector]:
        """Vectors that are zero at first, and that `step` makes new ones of, at least once."""
        builder, before = self.builder, self.builder.block
        inside, after = (builder.append_basic_block() for _ in range(2))
        builder.branch(inside)
        builder.position_at_end(inside)
        index = builder.phi(ir.IntType(64))
        carried = [builder.phi(self.numbers) for _ in range(count)]
        for value, start in ((index, self.integer(0)), *((v, self.vector(0.0)) for v in carried)):
            value.add_incoming(start.ir, before)
        results = step(Integer(self, index), [Vector(self, value) for value in carried])
        following = Integer(self, index) + 1
        for value, result in ((index, following), *zip(carried, results, strict=True)):
            value.add_incoming(result.ir, builder.block)
        builder.cbranch((following < times).ir, inside, after)
        builder.position_at_end(after)
        return results

    @contextmanager
    def when(self, condition: Condition) -> Iterator[None]:
        """Do what is written inside only where the condition holds."""
        with self.builder.if_then(condition.ir):
            yield


_LOOP = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
"""A kernel's `loop`: (arguments, which part of the items, of how many)."""


def _compiled(body: Body, dtype: torch.dtype, lanes: int) -> Any:
    """An engine that has `loop(arguments, part, parts)` and, with OpenMP, `team(arguments)`."""
    index, nothing = ir.IntType(64), ir.VoidType()
    module, given = ir.Module(), index.as_pointer()
    loop = ir.Function(module, ir.FunctionType(nothing, [given, index, index]), "loop")
    builder = ir.IRBuilder(loop.append_basic_block())
    code = Code(builder, dtype, lanes)
    _, _, *types = get_type_hints(body).values()
    values = [
        Integer(code, builder.load(builder.gep(loop.args[0], [ir.Constant(index, place)])))
        for place in range(len(types))
    ]
    items, part, parts = values[0], Integer(code, loop.args[1]), Integer(code, loop.args[2])
    with code.range(items * (part + 1) // parts, first=items * part // parts) as item:
        arguments = zip(types, values[1:])
        body(code, item, *(code.pointer(v) if kind is Pointer else v for kind, v in arguments))
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
    module = binding.parse_assembly(text)
    module.verify()
    machine = binding.Target.from_triple(binding.get_process_triple()).create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=binding.get_host_cpu_features().flatten(),
        opt=3,
    )
    passes = binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(3))
    passes.getModulePassManager().run(module, passes)
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine


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
