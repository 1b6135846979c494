"""The language of kernels: arithmetic on vectors of channels, written in Python as LLVM's code.

What looks like a calculation here writes one down: `a * 2.0 + b` is two instructions of the loop
that LLVM will make machine code of. Loops and conditions of the kernel itself are `Code.vectors`,
`Code.range` and `Code.when`; those of Python are unrolled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, get_type_hints

import torch

try:
    from llvmlite import binding, ir
except ImportError:  # where there is none for this Python yet
    AVAILABLE = False
else:
    AVAILABLE = True


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
        return Integer(self.code, self.code.builder.select(condition.ir, self.ir, otherwise.ir))

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
        return builder.bitcast(at, self.code.numbers.as_pointer(self.code.space))


Body = Callable[..., None]
"""What a kernel does to one item: (code, item, pointers and integers ...)."""


class Code:
    """A kernel while it is written.

    Args:
        builder: of LLVM's, where the code goes.
        dtype: of all numbers in memory.
        lanes: numbers in a vector.
        space: of addresses; LLVM counts them.
        share: where the vectors begin that this thread takes of an item's, and how far apart they
            are, in numbers; it takes all of them, if none.
    """

    def __init__(
        self,
        builder: Any,
        dtype: torch.dtype,
        lanes: int,
        space: int = 0,
        share: tuple[Any, Any] | None = None,
    ) -> None:
        self.builder = builder
        self.lanes = lanes
        self.space = space
        self.share = share
        self.itemsize = dtype.itemsize
        self.number = ir.DoubleType() if dtype == torch.float64 else ir.FloatType()
        self.numbers = ir.VectorType(self.number, lanes)

    def integer(self, value: Integer | int) -> Integer:
        """A constant, if it is not one of the kernel's."""
        if isinstance(value, Integer):
            return value
        return Integer(self, ir.Constant(ir.IntType(64), value))

    def vector(self, value: Vector | float) -> Vector:
        """A constant in all places, if it is not one of the kernel's."""
        if isinstance(value, Vector):
            return value
        return Vector(
            self, ir.Constant(self.numbers, [ir.Constant(self.number, value)] * self.lanes)
        )

    def pointer(self, address: Integer) -> Pointer:
        """To numbers of the kernel's kind."""
        kind = self.number.as_pointer(self.space)
        return Pointer(self, self.builder.inttoptr(address.ir, kind))

    @staticmethod
    def arguments(body: Body) -> int:
        """How many a body takes beside the code and the item."""
        return len(_kinds(body))

    def apply(self, body: Body, item: Integer, given: list[Integer]) -> None:
        """Write down what a body does to an item, with addresses for what it takes as pointers."""
        values = zip(_kinds(body), given, strict=True)
        body(self, item, *(self.pointer(v) if kind is Pointer else v for kind, v in values))

    @contextmanager
    def vectors(self, channels: Integer) -> Iterator[Integer]:
        """Repeat what is written inside for each vector of an item's channels, in any order."""
        first: Integer | int = 0
        step: Integer | int = self.lanes
        if self.share is not None:
            first, step = (Integer(self, each) for each in self.share)
        with self.range(channels, first, step) as channel:
            yield channel

    @contextmanager
    def range(
        self, stop: Integer, first: Integer | int = 0, step: Integer | int = 1
    ) -> Iterator[Integer]:
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
        results = step(Integer(self, index), [Vector(self, value) for value in carried])
        following = Integer(self, index) + 1
        index.add_incoming(self.integer(0).ir, before)
        index.add_incoming(following.ir, builder.block)
        for value, result in zip(carried, results, strict=True):
            value.add_incoming(self.vector(0.0).ir, before)
            value.add_incoming(result.ir, builder.block)
        builder.cbranch((following < times).ir, inside, after)
        builder.position_at_end(after)
        return results

    @contextmanager
    def when(self, condition: Condition) -> Iterator[None]:
        """Do what is written inside only where the condition holds."""
        with self.builder.if_then(condition.ir):
            yield


def optimised(text: str, machine: Any) -> Any:
    """LLVM's module of a text, checked, and made as fast as it can be on a machine of LLVM's."""
    module = binding.parse_assembly(text)
    module.verify()
    passes = binding.create_pass_builder(machine, binding.create_pipeline_tuning_options(3))
    passes.getModulePassManager().run(module, passes)
    return module


def _kinds(body: Body) -> list[type]:
    """Of a body's arguments, beside the code and the item: `Pointer` or `Integer`."""
    _, _, *kinds = (kind for name, kind in get_type_hints(body).items() if name != "return")
    return kinds
