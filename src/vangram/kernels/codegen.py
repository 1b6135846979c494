"""Code generation: arithmetic on vectors of channels, written in Python, emitted as LLVM IR.

Operators on `Integer`, `Vector` and `Condition` emit instructions: `a * 2.0 + b` adds a
multiplication and an addition to the kernel. Loops and branches of the kernel are
`KernelBuilder.vectors`, `KernelBuilder.range` and `KernelBuilder.when`; Python's own are unrolled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, get_type_hints

import torch

try:
    from llvmlite import binding, ir
except ImportError:  # not installed, or no release for this version of Python
    HAS_LLVM = False
else:
    HAS_LLVM = True


@dataclass(frozen=True)
class Integer:
    """A 64-bit integer in a kernel."""

    kernel: KernelBuilder
    ir: Any

    def __add__(self, other: Integer | int) -> Integer:
        return self._emit("add", other)

    def __sub__(self, other: Integer | int) -> Integer:
        return self._emit("sub", other)

    def __mul__(self, other: Integer | int) -> Integer:
        return self._emit("mul", other)

    def __floordiv__(self, other: Integer | int) -> Integer:
        """Unsigned division; both operands must be non-negative."""
        return self._emit("udiv", other)

    def __mod__(self, other: Integer | int) -> Integer:
        """Unsigned remainder; both operands must be non-negative."""
        return self._emit("urem", other)

    def __lt__(self, other: Integer | int) -> Condition:
        other = self.kernel.integer(other)
        return Condition(self.kernel, self.kernel.llvm.icmp_signed("<", self.ir, other.ir))

    def __le__(self, other: Integer | int) -> Condition:
        return self < (self.kernel.integer(other) + 1)

    def __ge__(self, other: Integer | int) -> Condition:
        other = self.kernel.integer(other)
        return Condition(self.kernel, self.kernel.llvm.icmp_signed(">=", self.ir, other.ir))

    def minimum(self, other: Integer | int) -> Integer:
        """The smaller of two integers."""
        return self.kernel.integer(other).where(~(self < other), self)

    def maximum(self, other: Integer | int) -> Integer:
        """The larger of two integers."""
        return self.kernel.integer(other).where(self < other, self)

    def where(self, condition: Condition, otherwise: Integer) -> Integer:
        """`self` where the condition holds, `otherwise` elsewhere."""
        return Integer(self.kernel, self.kernel.llvm.select(condition.ir, self.ir, otherwise.ir))

    def _emit(self, operation: str, other: Integer | int) -> Integer:
        other = self.kernel.integer(other)
        return Integer(self.kernel, getattr(self.kernel.llvm, operation)(self.ir, other.ir))


@dataclass(frozen=True)
class Condition:
    """A boolean of a kernel's item, or one for each lane of a vector."""

    kernel: KernelBuilder
    ir: Any

    def __and__(self, other: Condition) -> Condition:
        return Condition(self.kernel, self.kernel.llvm.and_(self.ir, other.ir))

    def __or__(self, other: Condition) -> Condition:
        return Condition(self.kernel, self.kernel.llvm.or_(self.ir, other.ir))

    def __invert__(self) -> Condition:
        return Condition(self.kernel, self.kernel.llvm.not_(self.ir))


@dataclass(frozen=True)
class Vector:
    """A SIMD vector of floats; LLVM may contract a product and a sum to a fused multiply-add."""

    kernel: KernelBuilder
    ir: Any

    def __add__(self, other: Vector | float) -> Vector:
        return self._emit("fadd", other)

    def __sub__(self, other: Vector | float) -> Vector:
        return self._emit("fsub", other)

    def __mul__(self, other: Vector | float) -> Vector:
        return self._emit("fmul", other)

    __rmul__ = __mul__

    def __gt__(self, other: Vector | float) -> Condition:
        return self._compare(">", other)

    def equals(self, other: Vector | float) -> Condition:
        """Elementwise equality; false where either is NaN."""
        return self._compare("==", other)

    def where(self, condition: Condition) -> Vector:
        """`self` where the condition holds, zero elsewhere."""
        zero = self.kernel.vector(0.0)
        return Vector(self.kernel, self.kernel.llvm.select(condition.ir, self.ir, zero.ir))

    def maximum(self, other: Vector | float) -> Vector:
        """Elementwise maximum; `self` where either is NaN."""
        other = self.kernel.vector(other)
        less = self.kernel.llvm.fcmp_ordered("<", self.ir, other.ir)
        return Vector(self.kernel, self.kernel.llvm.select(less, other.ir, self.ir))

    def _emit(self, operation: str, other: Vector | float) -> Vector:
        other, emit = self.kernel.vector(other), getattr(self.kernel.llvm, operation)
        return Vector(self.kernel, emit(self.ir, other.ir, flags=("contract",)))

    def _compare(self, operator: str, other: Vector | float) -> Condition:
        other = self.kernel.vector(other)
        return Condition(self.kernel, self.kernel.llvm.fcmp_ordered(operator, self.ir, other.ir))


@dataclass(frozen=True)
class Pointer:
    """Floats in memory; offsets count floats, loads and stores move whole vectors."""

    kernel: KernelBuilder
    ir: Any

    def __getitem__(self, offset: Integer) -> Vector:
        kernel = self.kernel
        loaded = kernel.llvm.load(
            self._address(offset), align=kernel.itemsize, typ=kernel.vector_type
        )
        return Vector(kernel, loaded)

    def __setitem__(self, offset: Integer, value: Vector) -> None:
        self.kernel.llvm.store(value.ir, self._address(offset), align=self.kernel.itemsize)

    def broadcast(self, offset: Integer) -> Vector:
        """One float, copied to all lanes of a vector."""
        kernel, llvm, lanes = self.kernel, self.kernel.llvm, self.kernel.lanes
        loaded = llvm.load(self._address(offset), align=kernel.itemsize, typ=kernel.scalar_type)
        first = ir.Constant(ir.IntType(32), 0)
        undefined = ir.Constant(kernel.vector_type, ir.Undefined)
        mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
        single = llvm.insert_element(undefined, loaded, first)
        return Vector(kernel, llvm.shuffle_vector(single, undefined, mask))

    def _address(self, offset: Integer) -> Any:
        return self.kernel.llvm.gep(self.ir, [offset.ir], source_etype=self.kernel.scalar_type)


Body = Callable[..., None]
"""Emits the code of one item: (kernel, item, pointers and integers ...)."""


class KernelBuilder:
    """Emits the code of one kernel.

    Args:
        llvm: an `llvmlite.ir.IRBuilder`, positioned where the code goes.
        dtype: of all floats in memory.
        lanes: floats in a vector.
        address_space: LLVM's number for the memory that tensors lie in.
        channel_range: (first channel, step) of this thread's share of an item's vectors, as LLVM
            values; None: a thread takes all of them.
    """

    def __init__(
        self,
        llvm: Any,
        dtype: torch.dtype,
        lanes: int,
        address_space: int = 0,
        channel_range: tuple[Any, Any] | None = None,
    ) -> None:
        self.llvm = llvm
        self.lanes = lanes
        self.address_space = address_space
        self.channel_range = channel_range
        self.itemsize = dtype.itemsize
        self.scalar_type = ir.DoubleType() if dtype == torch.float64 else ir.FloatType()
        self.vector_type = ir.VectorType(self.scalar_type, lanes)

    def integer(self, value: Integer | int) -> Integer:
        """A constant for a Python int; an `Integer` as it is."""
        if isinstance(value, Integer):
            return value
        return Integer(self, ir.Constant(ir.IntType(64), value))

    def vector(self, value: Vector | float) -> Vector:
        """A constant in all lanes for a Python float; a `Vector` as it is."""
        if isinstance(value, Vector):
            return value
        return Vector(
            self, ir.Constant(self.vector_type, [ir.Constant(self.scalar_type, value)] * self.lanes)
        )

    def pointer(self, address: Integer) -> Pointer:
        """A pointer to floats at an address."""
        opaque = ir.PointerType(addrspace=self.address_space)
        return Pointer(self, self.llvm.inttoptr(address.ir, opaque))

    @staticmethod
    def argument_count(body: Body) -> int:
        """Number of a body's arguments after the kernel and the item."""
        return len(_argument_types(body))

    def emit(self, body: Body, item: Integer, arguments: list[Integer]) -> None:
        """Emit a body for an item; pointer arguments are given as addresses."""
        values = zip(_argument_types(body), arguments, strict=True)
        body(self, item, *(self.pointer(v) if kind is Pointer else v for kind, v in values))

    @contextmanager
    def vectors(self, channels: Integer) -> Iterator[Integer]:
        """Loop over the vectors of an item's channels, in any order; yields the first channel."""
        first: Integer | int = 0
        step: Integer | int = self.lanes
        if self.channel_range is not None:
            first, step = (Integer(self, each) for each in self.channel_range)
        with self.range(channels, first, step) as channel:
            yield channel

    @contextmanager
    def range(
        self, stop: Integer, first: Integer | int = 0, step: Integer | int = 1
    ) -> Iterator[Integer]:
        """Loop over integers from `first` up to `stop`, exclusive; yields the integer."""
        llvm, before = self.llvm, self.llvm.block
        head, inside, after = (llvm.append_basic_block() for _ in range(3))
        llvm.branch(head)
        llvm.position_at_end(head)
        index = llvm.phi(ir.IntType(64))
        index.add_incoming(self.integer(first).ir, before)
        llvm.cbranch((Integer(self, index) < stop).ir, inside, after)
        llvm.position_at_end(inside)
        yield Integer(self, index)
        index.add_incoming((Integer(self, index) + step).ir, llvm.block)
        llvm.branch(head)
        llvm.position_at_end(after)

    def fold(
        self, times: Integer, count: int, step: Callable[[Integer, list[Vector]], list[Vector]]
    ) -> list[Vector]:
        """Loop that carries `count` vectors in registers, zero at first; at least one iteration.

        Args:
            times: iterations, at least one.
            count: vectors carried.
            step: (iteration, vectors) -> the vectors of the next iteration.
        """
        llvm, before = self.llvm, self.llvm.block
        inside, after = (llvm.append_basic_block() for _ in range(2))
        llvm.branch(inside)
        llvm.position_at_end(inside)
        index = llvm.phi(ir.IntType(64))
        carried = [llvm.phi(self.vector_type) for _ in range(count)]
        results = step(Integer(self, index), [Vector(self, value) for value in carried])
        following = Integer(self, index) + 1
        index.add_incoming(self.integer(0).ir, before)
        index.add_incoming(following.ir, llvm.block)
        for value, result in zip(carried, results, strict=True):
            value.add_incoming(self.vector(0.0).ir, before)
            value.add_incoming(result.ir, llvm.block)
        llvm.cbranch((following < times).ir, inside, after)
        llvm.position_at_end(after)
        return results

    @contextmanager
    def when(self, condition: Condition) -> Iterator[None]:
        """Branch: run the code emitted inside only where the condition holds."""
        with self.llvm.if_then(condition.ir):
            yield


def optimise(text: str, machine: Any) -> Any:
    """Parse, verify and optimise a module of LLVM IR for a target machine, at level 3."""
    module = binding.parse_assembly(text)
    module.verify()
    passes = binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(3))
    passes.getModulePassManager().run(module, passes)
    return module


def _argument_types(body: Body) -> list[type]:
    """`Pointer` or `Integer` for each argument of a body after the kernel and the item."""
    _, _, *kinds = (kind for name, kind in get_type_hints(body).items() if name != "return")
    return kinds
