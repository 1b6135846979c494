"""The loop: an image goes downhill, and what goes wrong is caught and taken back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from torch import Tensor

from vangram.errors import DivergedError
from vangram.objective import Evaluate, Term
from vangram.optimize.optimizer import Optimizer
from vangram.optimize.schedule import Level
from vangram.optimize.state import LevelState, RunState

RESTARTS = 4
"""Of the optimiser in one level, before it is given up."""
RUN_AWAY = 3.0
"""A loss so many times the level's lowest is no longer on its way down."""
WINDOW = 20
"""Steps over which a level's lowest loss must fall by the tolerance, for the level to go on."""


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
    state: RunState = field(repr=False)
    """Where the run can go on from; a step that is kept keeps the optimiser's tensors as well."""
    note: str | None = None
    """What went wrong, and what was done about it."""
    last: bool = False
    """Whether the level ends here: its steps are taken, or it has converged."""

    @property
    def done(self) -> float:
        """Share of the whole plan's work that lies behind, or was not needed."""
        return self.level.done(self.level.steps if self.last else self.number)

    def total(self, kind: str) -> float:
        """What the terms of a kind ("content", "style", "tv", "range") add to the loss."""
        return sum(term.weighted for term in self.terms if term.kind == kind)


def descend(
    at: LevelState, evaluate: Evaluate, optimizer: Optimizer, level: Level, tolerance: float = 0.0
) -> Iterator[Step]:
    """Take a level's steps that are left; ends early where nothing is left to gain.

    A step whose loss is not finite or has run away is taken back: the lowest image so far is
    restored and the optimiser restarted, more carefully.

    Args:
        at: how far the level has come.
        evaluate: the objective.
        optimizer: in the state that belongs to `at`.
        level: how many steps there are at most.
        tolerance: share by which the lowest loss must fall over `WINDOW` steps, for the level to
            go on.

    Raises:
        DivergedError: the loss is not finite at the start, or no restart helps.
    """
    for number in range(at.number + 1, level.steps + 1):
        move = optimizer.move(at.image, evaluate)
        image, loss, terms = move.image, move.evaluation.loss, move.evaluation.terms
        restarts, recent, note = at.restarts, at.recent, None
        if not math.isfinite(loss) or loss > RUN_AWAY * at.lowest:
            if not math.isfinite(at.lowest) or restarts == RESTARTS:
                raise DivergedError(
                    f"the loss became {loss:.3g} at {level.size[1]} x {level.size[0]} px and no "
                    "restart helped: try smaller weights, or --optimizer lbfgs"
                )
            restarts, recent = restarts + 1, ()
            optimizer.restart()
            note = f"the loss ran away to {loss:.3g}: went back and restarted the optimiser"
            image, loss, terms = at.lowest_image, at.lowest, at.lowest_terms
        elif move.stuck and at.stuck:
            return
        elif move.stuck:
            optimizer.restart()
        if loss < at.lowest:
            at = replace(at, lowest_image=image, lowest=loss, lowest_terms=terms)
        recent = (*recent, at.lowest)[-(WINDOW + 1) :]
        at = replace(
            at, image=image, number=number, restarts=restarts, stuck=move.stuck, recent=recent
        )
        last = number == level.steps or _converged(recent, tolerance)
        state = RunState(level.number, at, None if last else optimizer.state())
        yield Step(level, number, loss, terms, at.lowest_image, state, note, last)
        if last:
            return


def _converged(recent: tuple[float, ...], tolerance: float) -> bool:
    """Whether the lowest loss has fallen by less than a share over the last `WINDOW` steps."""
    return len(recent) > WINDOW and recent[0] - recent[-1] < tolerance * recent[0]
