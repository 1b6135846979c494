"""The plan and the progress of a run as plain values for JSON, and the time left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from shlex import join
from typing import Any

from vangram.networks.tiles import core_sides
from vangram.optimize import Level, RunState, Step
from vangram.run.run import Run
from vangram.settings.command import command_of

LEAST_DONE = 0.01
"""Share of the work after which the time left is estimated."""
SECONDS_TO_SETTLE = 10.0
"""Time after which the start counts as well, where nothing else is known yet."""


class Pace:
    """Estimate of the time left, from the pace since it was first asked for.

    What comes before that, reading, targets and the compiler, is done once.

    Args:
        begun: share of the work that was done before.
        started: when this work began, by `time.monotonic`; None: now.
    """

    def __init__(self, begun: float = 0.0, started: float | None = None) -> None:
        self.begun = begun
        self.started = time.monotonic() if started is None else started
        self._first: tuple[float, float] | None = None
        """Time and share when it was first asked for."""

    def seconds_left(self, done: float) -> float | None:
        """Most seconds that the remaining steps take; None where the pace is not known yet.

        Args:
            done: share of all work that is done.
        """
        now = time.monotonic()
        self._first = self._first or (now, done)
        since, begun = self._first
        if done - begun < LEAST_DONE and now - self.started > SECONDS_TO_SETTLE:
            since, begun = self.started, self.begun
        if done - begun < LEAST_DONE:
            return None
        return (now - since) * (1 - done) / (done - begun)


def done_before(position: RunState | None, levels: Sequence[Level]) -> float:
    """Share of a run's work that is done at a state."""
    return levels[position.level - 1].done(position.level_state.number) if position else 0.0


def plan_of(run: Run) -> dict[str, Any]:
    """A run's sizes, steps, memory and settings in plain values, fit for JSON."""
    last = run.plans[-1]
    height, width = last.level.size
    return {
        "size": _size(last.level.size),
        "levels": [_size(each.size) | {"steps": each.steps} for each in run.levels],
        "tile": None if last.tile is None else _size(core_sides(last.tile)),
        "memory": last.bytes,
        "text": f"{width} x {height} px {last}",
        "notes": list(run.inputs.notes),
        "command": join(command_of(run.record, "picture.png")),
        "settings": run.recipe.to_dict(),
    }


def progress_of(step: Step, seconds_left: float | None) -> dict[str, Any]:
    """A step in plain values, fit for JSON: level, size, loss, terms."""
    kinds = dict.fromkeys(term.kind for term in step.terms)
    return {
        "level": step.level.number,
        "levels": step.level.of,
        "width": step.level.size[1],
        "height": step.level.size[0],
        "step": step.number,
        "steps": step.level.steps,
        "done": step.done,
        "loss": step.loss,
        "terms": {kind: step.total(kind) for kind in kinds},
        "seconds_left": None if seconds_left is None else round(seconds_left, 1),
        "note": step.note,
    }


def _size(size: tuple[int, int]) -> dict[str, int]:
    return {"width": size[1], "height": size[0]}
