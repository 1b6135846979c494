"""What every optimiser is to the loop: one move at a time, from an image to the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from vangram.objective import Evaluation

Evaluate = Callable[[Tensor], Evaluation]
"""An image (1, 3, H, W) to the objective's value and gradient there."""


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


def dot(a: Tensor, b: Tensor) -> float:
    """Inner product, summed in float64."""
    return float((a * b).sum(dtype=torch.float64))
