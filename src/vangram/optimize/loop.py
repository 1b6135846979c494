"""The loop: an image goes downhill, and what goes wrong is caught and taken back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from vangram.errors import DivergedError
from vangram.objective import Term
from vangram.optimize.optimizer import Evaluate, Optimizer
from vangram.optimize.schedule import Level

RESTARTS = 4
"""Of the optimiser in one level, before it is given up."""
RUN_AWAY = 3.0
"""A loss so many times the level's lowest is no longer on its way down."""


@dataclass(frozen=True)
class Step:
    """One step of a run, as it is shown to whoever watches."""

    level: Level
    number: int
    """Within the level, from 1."""
    loss: float
    """Of this step; `DivergedError` aside, always finite."""
    terms: tuple[Term, ...]
    image: Tensor
    """(1, 3, H, W), detached: the level's image of lowest loss so far. It may leave [0, 1]."""
    note: str | None = None
    """What went wrong, and what was done about it."""

    @property
    def done(self) -> float:
        """Share of the whole plan's work that lies behind."""
        return self.level.work_before + self.level.work * self.number / self.level.steps

    def total(self, kind: str) -> float:
        """What the terms of a kind ("content", "style", "tv") add to the loss."""
        return sum(term.weighted for term in self.terms if term.kind == kind)


def descend(
    image: Tensor, evaluate: Evaluate, optimizer: Optimizer, level: Level
) -> Iterator[Step]:
    """Take a level's steps from `image`; ends early where nothing is left to gain.

    A step whose loss is not finite or has run away is taken back: the lowest image so far is
    restored and the optimiser restarted, more carefully.

    Raises:
        DivergedError: the loss is not finite at the start, or no restart helps.
    """
    lowest, lowest_image = math.inf, image
    lowest_terms: tuple[Term, ...] = ()
    restarts, stuck = 0, False
    for number in range(1, level.steps + 1):
        move = optimizer.move(image, evaluate)
        loss, terms, note = move.evaluation.loss, move.evaluation.terms, None
        if not math.isfinite(loss) or loss > RUN_AWAY * lowest:
            if not math.isfinite(lowest) or restarts == RESTARTS:
                raise DivergedError(
                    f"the loss became {loss:.3g} at {level.size[1]} x {level.size[0]} px and no "
                    "restart helped: try smaller weights, or --optimizer lbfgs"
                )
            restarts += 1
            optimizer.restart()
            note = f"the loss ran away to {loss:.3g}: went back and restarted the optimiser"
            image, loss, terms = lowest_image, lowest, lowest_terms
        elif move.stuck and stuck:
            return
        elif move.stuck:
            optimizer.restart()
        stuck = move.stuck
        if note is None:
            image = move.image
        if loss < lowest:
            lowest, lowest_image, lowest_terms = loss, image, terms
        yield Step(level, number, loss, terms, lowest_image, note)
