"""Progress: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from vangram.optimize import Level, Step

SECONDS_BETWEEN_LINES = 5.0
"""Interval of progress lines where the output is no terminal."""
LEAST_DONE = 0.01
"""Share of the work after which the time left is estimated."""


@dataclass(frozen=True)
class BatchPlace:
    """Position of a picture in a batch."""

    number: int
    of: int
    name: str
    begun: int
    """Pictures that existed when this process began."""
    started: float
    """Time at which it began, by `time.monotonic`."""

    def __str__(self) -> str:
        return f"{self.number}/{self.of} {self.name}"


class Progress:
    """Shows steps on the standard error: level, step, losses, time left.

    Args:
        quiet: print notes of failures alone.
        begun: share of the work that earlier processes have done.
        place: position in a batch; bar and time are then those of the batch.
    """

    def __init__(
        self, quiet: bool = False, begun: float = 0.0, place: BatchPlace | None = None
    ) -> None:
        self.quiet = quiet
        self.place = place
        self.begun = place.begun / place.of if place else begun
        self.started = place.started if place else time.monotonic()
        self.printed = -SECONDS_BETWEEN_LINES
        self.level = 0
        console = Console(stderr=True)
        self.live = (
            Live(console=console, refresh_per_second=8, transient=True)
            if console.is_terminal and not quiet
            else None
        )

    def __enter__(self) -> Progress:
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.live:
            self.live.stop()

    def show(self, step: Step) -> None:
        """Show a step; its note of a failure is always printed."""
        if step.note:
            print(f"vangram: note: {step.note}", file=sys.stderr)
        if self.quiet:
            return
        elapsed = time.monotonic() - self.started
        if self.live:
            self.live.update(self._bar(step, elapsed))
        elif elapsed - self.printed >= SECONDS_BETWEEN_LINES or step.level.number != self.level:
            place = where(step.level, step.number)
            words = self._place(), place, _losses(step), self._left(step, elapsed)
            print("  ".join(filter(None, words)), file=sys.stderr, flush=True)
            self.printed, self.level = elapsed, step.level.number

    def _bar(self, step: Step, elapsed: float) -> Group:
        first = Table.grid(padding=(0, 1))
        first.add_row(
            ProgressBar(total=1.0, completed=self._done(step), width=20),
            self._place() or where(step.level, step.number),
            self._left(step, elapsed),
        )
        second = f"{where(step.level, step.number)}  " if self.place else ""
        return Group(first, second + _losses(step))

    def _place(self) -> str:
        return str(self.place) if self.place else ""

    def _done(self, step: Step) -> float:
        if self.place is None:
            return step.done
        return (self.place.number - 1 + step.done) / self.place.of

    def _left(self, step: Step, elapsed: float) -> str:
        done = self._done(step) - self.begun
        if done < LEAST_DONE:
            return ""
        return f"{duration(elapsed * (1 - self._done(step)) / done)} left at most"


def where(level: Level, number: int) -> str:
    """Size, level and step of a position in the plan."""
    return (
        f"{level.size[1]}x{level.size[0]} (level {level.number}/{level.of})  "
        f"step {number}/{level.steps}"
    )


def _losses(step: Step) -> str:
    kinds = dict.fromkeys(term.kind for term in step.terms if term.kind != "range")
    return "  ".join(
        [f"loss {step.loss:.4g}"] + [f"{kind} {step.total(kind):.4g}" for kind in kinds]
    )


def duration(seconds: float) -> str:
    """A duration in words, as "40 s", "3:05" or "2:10 h"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d} h"
