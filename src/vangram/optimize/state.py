"""State of a run: everything needed to resume it with bit-identical results."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

import torch
from torch import Tensor

from vangram.objective import Term
from vangram.optimize.optimizer import State
from vangram.optimize.schedule import Level

TENSOR = "tensor"
"""A tensor is represented by the mapping {"tensor": index}."""


@dataclass(frozen=True, eq=False)
class LevelState:
    """Progress of the optimisation at one level."""

    image: Tensor
    """(1, 3, H, W), the optimiser's current image."""
    lowest_image: Tensor
    """(1, 3, H, W), the image of lowest loss."""
    number: int = 0
    """Steps taken."""
    lowest: float = math.inf
    lowest_terms: tuple[Term, ...] = ()
    restarts: int = 0
    stuck: bool = False
    """The last move found no acceptable step."""
    recent: tuple[float, ...] = ()
    """Lowest loss after each of the last steps, at most `loop.WINDOW` + 1 of them."""

    @classmethod
    def start(cls, image: Tensor) -> LevelState:
        """The state before the first step."""
        return cls(image, image)


@dataclass(frozen=True, eq=False)
class RunState:
    """State of a run after a step, by reference; its tensors are never changed in place.

    It has no random state: nothing is random after the first image, which the recipe's seed
    determines.
    """

    level: int
    """Number of the level, from 1."""
    level_state: LevelState
    optimizer: State | None
    """None after a level's last step: the next level takes the image alone."""

    @property
    def image(self) -> Tensor:
        """(1, 3, H, W), the level's image of lowest loss so far."""
        return self.level_state.lowest_image

    def has_finished(self, level: Level) -> bool:
        """Whether a level's last step is done."""
        return level.number < self.level or (level.number == self.level and self.optimizer is None)

    def to(self, device: torch.device) -> RunState:
        """The same state with its tensors on a device."""
        plain, tensors = self.parts()
        return RunState.from_parts(plain, [tensor.to(device) for tensor in tensors])

    def parts(self) -> tuple[dict[str, Any], list[Tensor]]:
        """JSON values, and a list of the tensors that they refer to by index, each of them once."""
        terms = [astuple(term) for term in self.level_state.lowest_terms]
        descent = vars(self.level_state) | {"lowest_terms": terms}
        tensors: list[Tensor] = []
        values = {"level": self.level, "descent": descent, "optimizer": self.optimizer}
        return _plain(values, tensors), tensors

    @classmethod
    def from_parts(cls, plain: Mapping[str, Any], tensors: list[Tensor]) -> RunState:
        """The inverse of `parts`."""
        values = _whole(plain, tensors)
        terms = tuple(Term(*term) for term in values["descent"]["lowest_terms"])
        recent = tuple(values["descent"].get("recent", ()))
        level_state = LevelState(**values["descent"] | {"lowest_terms": terms, "recent": recent})
        return cls(values["level"], level_state, values["optimizer"])


def _plain(value: Any, tensors: list[Tensor]) -> Any:
    """A value with each tensor replaced by a reference into `tensors`, to which it is added."""
    if isinstance(value, Tensor):
        known = [index for index, tensor in enumerate(tensors) if tensor is value]
        if not known:
            tensors.append(value)
        return {TENSOR: known[0] if known else len(tensors) - 1}
    if isinstance(value, Mapping):
        return {key: _plain(inner, tensors) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, tensors) for inner in value]
    return value


def _whole(value: Any, tensors: list[Tensor]) -> Any:
    """The inverse of `_plain`, except that tuples become lists."""
    if isinstance(value, Mapping):
        if value.keys() == {TENSOR}:
            return tensors[value[TENSOR]]
        return {key: _whole(inner, tensors) for key, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner, tensors) for inner in value]
    return value
