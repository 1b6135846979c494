"""What every optimiser is to the loop: one move at a time, from an image to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any, Protocol

from torch import Tensor

from vangram.objective import Evaluate, Evaluation, Term

State = Mapping[str, Any]
"""What an optimiser knows: tensors and values fit for JSON, in mappings and lists."""


@dataclass(frozen=True)
class Move:
    """Where an optimiser has gone."""

    image: Tensor
    """(1, 3, H, W); the image that came in where no better one was found."""
    evaluation: Evaluation
    """At `image`."""
    stuck: bool = False
    """No acceptable step was found."""


class Optimizer(Protocol):
    """One move at a time; keeps what it has learnt of the objective between moves."""

    def move(self, image: Tensor, evaluate: Evaluate) -> Move:
        """Go one step from `image`, which is read and not changed."""
        ...

    def restart(self) -> None:
        """Forget everything learnt, and be more careful from here on."""
        ...

    def state(self) -> State:
        """All that the next move depends on, by reference; stays as it is when moves follow."""
        ...

    def restore(self, state: State) -> None:
        """Take a state on, so that what follows is the same to the last bit."""
        ...


def evaluation_state(evaluation: Evaluation | None) -> State | None:
    """An evaluation as part of a state."""
    if evaluation is None:
        return None
    return vars(evaluation) | {"terms": [astuple(term) for term in evaluation.terms]}


def evaluation_of(state: State | None) -> Evaluation | None:
    """The inverse of `evaluation_state`."""
    if state is None:
        return None
    return Evaluation(state["loss"], tuple(Term(*t) for t in state["terms"]), state["gradient"])
