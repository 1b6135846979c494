"""The inputs of a run, one value from the command line to the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")

SEVERAL = {"styles": "style", "style_masks": "style_mask"}
"""Fields that hold any number of inputs -> the name of one of them."""


class InputName(NamedTuple):
    """The name of one input, for messages: "content", "style", "style 2", "before frame"."""

    kind: str
    """Name of the field of `Inputs`, in the singular."""
    number: int = 1

    def __str__(self) -> str:
        """In words."""
        words = self.kind.replace("_", " ")
        return words if self.number == 1 else f"{words} {self.number}"

    @property
    def option(self) -> str:
        """The command line's option for inputs of this kind."""
        return "--" + self.kind.replace("_", "-")


@dataclass(frozen=True, kw_only=True)
class Inputs(Generic[T_co]):
    """Everything a run may be given beside its recipe.

    `T_co` is a path or another source, then a decoded picture, then what a record holds of it.
    """

    content: T_co | None = None
    """The photograph; a texture has none."""
    styles: tuple[T_co, ...] = ()
    """The paintings; a content reconstruction has none."""
    start: T_co | None = None
    """The first image, where the recipe's `init` is "picture"."""
    parameters: T_co | None = None
    """The file of the network's parameters, where they are not the published ones."""
    mask: T_co | None = None
    """The regions of the photograph."""
    style_masks: tuple[T_co, ...] = ()
    """The regions of each painting."""
    keep: T_co | None = None
    """The part of the photograph that stays: all where it is white, nothing where it is black."""
    before: T_co | None = None
    """In a sequence, the result of the frame before."""
    before_frame: T_co | None = None
    """In a sequence, the frame before."""
    flow: T_co | None = None
    """The file of the optical flow from this frame to the one before."""
    flow_back: T_co | None = None
    """The file of the flow from the frame before to this one, which shows what can be trusted."""

    def __iter__(self) -> Iterator[T_co]:
        """The inputs that are given, in the order of the fields."""
        for name, value in vars(self).items():
            if name in SEVERAL:
                yield from value
            elif value is not None:
                yield value

    def map(self, function: Callable[[T_co], U]) -> Inputs[U]:
        """The inputs with a function applied to each that is given."""
        changed: dict[str, Any] = {}
        for name, value in vars(self).items():
            if name in SEVERAL:
                changed[name] = tuple(map(function, value))
            elif value is not None:
                changed[name] = function(value)
        return Inputs(**changed)

    def named(self) -> Inputs[tuple[InputName, T_co]]:
        """Each input with its name."""
        changed: dict[str, Any] = {}
        for name, value in vars(self).items():
            if name in SEVERAL:
                kind = SEVERAL[name]
                changed[name] = tuple((InputName(kind, n), v) for n, v in enumerate(value, 1))
            elif value is not None:
                changed[name] = InputName(name), value
        return Inputs(**changed)

    def get(self, name: InputName) -> T_co | None:
        """The input of that name; None where it is not given."""
        return dict(self.named()).get(name)
