"""The optimisation loop of one level: steps, recovery from failed steps, convergence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from torch import Tensor

from vangram.errors import DivergedError
from vangram.objective import Evaluate, Evaluation, Term
from vangram.optimize.optimizer import Optimizer
from vangram.optimize.schedule import Level
from vangram.optimize.state import LevelState, RunState
from vangram.optimize.vectors import is_finite

MAX_RESTARTS = 4
"""Restarts of the optimiser within a level before `DivergedError`."""
DIVERGENCE_RATIO = 3.0
"""A step whose loss exceeds the level's lowest by this factor has diverged."""
WINDOW = 20
"""A level goes on while its lowest loss falls by the tolerance within this many steps."""


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a run, for display and checkpoints."""

    level: Level
    number: int
    """Within the level, from 1."""
    loss: float
    """The step's loss, always finite."""
    terms: tuple[Term, ...]
    image: Tensor
    """(1, 3, H, W), detached: the level's image of lowest loss so far. It may exceed [0, 1]."""
    state: RunState = field(repr=False)
    """State to resume from; keeping a step keeps the optimiser's tensors in memory."""
    note: str | None = None
    """A failure of this step, and the recovery from it."""
    last: bool = False
    """Whether the level ends here: its steps are done, or it has converged."""

    @property
    def done(self) -> float:
        """Share of the run's work that is done, or was not needed."""
        return self.level.done(self.level.steps if self.last else self.number)

    def total(self, kind: str) -> float:
        """Sum of the weighted terms of a kind ("content", "style", "tv", "range")."""
        return sum(term.weighted for term in self.terms if term.kind == kind)


def descend(
    at: LevelState, evaluate: Evaluate, optimizer: Optimizer, level: Level, tolerance: float = 0.0
) -> Iterator[Step]:
    """Take the remaining steps of a level; ends early when it has converged or is stuck.

    After a step whose loss is not finite or has diverged, the image of lowest loss is restored and
    the optimiser restarted with smaller steps.

    Args:
        at: progress of the level.
        evaluate: value and gradient of the objective.
        optimizer: in the state that belongs to `at`.
        level: size and largest number of steps.
        tolerance: the level ends when its lowest loss falls by less than this share over `WINDOW`
            steps.

    Raises:
        DivergedError: the loss is not finite at the start, or `MAX_RESTARTS` did not help.
    """
    for number in range(at.number + 1, level.steps + 1):
        move = optimizer.move(at.image, evaluate)
        image, loss, terms = move.image, move.evaluation.loss, move.evaluation.terms
        restarts, recent, note = at.restarts, at.recent, None
        failure = _failure(move.evaluation, at.lowest)
        if failure:
            if not math.isfinite(at.lowest) or restarts == MAX_RESTARTS:
                raise DivergedError(
                    f"{failure} at {level.size[1]} x {level.size[0]} px and no restart helped: "
                    "try smaller weights, or --optimizer lbfgs"
                )
            restarts, recent = restarts + 1, ()
            optimizer.restart()
            note = f"{failure}: went back and restarted the optimiser"
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


def _failure(found: Evaluation, lowest: float) -> str | None:
    """Description of a failed step, or None."""
    if not math.isfinite(found.loss) or found.loss > DIVERGENCE_RATIO * lowest:
        return f"the loss became {found.loss:.3g}"
    if not is_finite(found.gradient):
        return "the gradient became NaN or infinite"
    return None


def _converged(recent: tuple[float, ...], tolerance: float) -> bool:
    """Whether the lowest loss fell by less than `tolerance` times itself over `WINDOW` steps."""
    return len(recent) > WINDOW and recent[0] - recent[-1] < tolerance * recent[0]
