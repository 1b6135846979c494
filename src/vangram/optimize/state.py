"""Where a run stands: all that it needs to go on as if it had never stopped."""

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
"""Key of a mapping that stands for a tensor: {"tensor": index}."""


@dataclass(frozen=True)
class LevelState:
    """How far a level has come."""

    image: Tensor
    """(1, 3, H, W), where the optimiser is."""
    lowest_image: Tensor
    """(1, 3, H, W), where the loss was lowest."""
    number: int = 0
    """Of steps taken."""
    lowest: float = math.inf
    lowest_terms: tuple[Term, ...] = ()
    restarts: int = 0
    stuck: bool = False
    """No acceptable step was found the last time."""
    recent: tuple[float, ...] = ()
    """The lowest loss after each of the last steps, one more than `loop.WINDOW` at most."""

    @classmethod
    def start(cls, image: Tensor) -> LevelState:
        """Before the first step."""
        return cls(image, image)


@dataclass(frozen=True)
class RunState:
    """Where a run stands after a step, by reference: no tensor here is ever changed in place.

    Nothing is random after the first image, which the recipe's seed decides, so that a position
    needs no random state.
    """

    level: int
    """Its number, from 1."""
    level_state: LevelState
    optimizer: State | None
    """None after a level's last step: the next level takes the image alone."""

    @property
    def image(self) -> Tensor:
        """(1, 3, H, W), the level's image of lowest loss so far."""
        return self.level_state.lowest_image

    def has_finished(self, level: Level) -> bool:
        """Whether a level's last step lies behind."""
        return level.number < self.level or (level.number == self.level and self.optimizer is None)

    def to(self, device: torch.device) -> RunState:
        """The same position with its tensors on a device."""
        plain, tensors = self.parts()
        return RunState.from_parts(plain, [tensor.to(device) for tensor in tensors])

    def parts(self) -> tuple[dict[str, Any], list[Tensor]]:
        """Values fit for JSON, and the tensors that they name by index, each of them once."""
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
    """A value with each tensor moved into a list, by identity."""
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
    """The inverse of `_plain`, tuples aside."""
    if isinstance(value, Mapping):
        if value.keys() == {TENSOR}:
            return tensors[value[TENSOR]]
        return {key: _whole(inner, tensors) for key, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner, tensors) for inner in value]
    return value
