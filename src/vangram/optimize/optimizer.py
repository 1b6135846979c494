"""The protocol of optimisers: one move at a time, from an image to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any, Protocol

from torch import Tensor

from vangram.objective import Evaluate, Evaluation, Term

State = Mapping[str, Any]
"""An optimiser's state: tensors and JSON values, in mappings and lists."""


@dataclass(frozen=True)
class Move:
    """Result of one move of an optimiser."""

    image: Tensor
    """(1, 3, H, W); the given image where the move is stuck."""
    evaluation: Evaluation
    """At `image`."""
    stuck: bool = False
    """No acceptable step was found."""


class Optimizer(Protocol):
    """An optimiser with a state, such as curvature or moments, kept between moves."""

    def move(self, image: Tensor, evaluate: Evaluate) -> Move:
        """Take one step from `image`, which is not changed."""
        ...

    def restart(self) -> None:
        """Discard the state and take smaller steps from now on."""
        ...

    def state(self) -> State:
        """The state that the next move depends on, by reference; later moves do not change it."""
        ...

    def restore(self, state: State) -> None:
        """Continue from a state, with bit-identical results."""
        ...


def evaluation_state(evaluation: Evaluation | None) -> State | None:
    """An evaluation as a part of an optimiser's state."""
    if evaluation is None:
        return None
    return vars(evaluation) | {"terms": [astuple(term) for term in evaluation.terms]}


def evaluation_of(state: State | None) -> Evaluation | None:
    """The inverse of `evaluation_state`."""
    if state is None:
        return None
    return Evaluation(state["loss"], tuple(Term(*t) for t in state["terms"]), state["gradient"])
