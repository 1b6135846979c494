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
from vangram.run.progress import Pace

SECONDS_BETWEEN_LINES = 5.0
"""Where the output is no terminal."""


@dataclass(frozen=True)
class Among:
    """Where a picture stands among several that are made one after the other."""

    number: int
    of: int
    name: str
    begun: int
    """Pictures that were there when this process began."""
    started: float
    """When that was, by `time.monotonic`."""

    def __str__(self) -> str:
        return f"{self.number}/{self.of} {self.name}"


class Progress:
    """Shows steps on the standard error: level, step, losses, time left.

    Args:
        quiet: notes of what went wrong alone.
        begun: share of the work that was done before.
        among: the other pictures, where there are any; bar and time are then those of all.
    """

    def __init__(self, quiet: bool = False, begun: float = 0.0, among: Among | None = None) -> None:
        self.quiet = quiet
        self.among = among
        self.pace = Pace(among.begun / among.of, among.started) if among else Pace(begun)
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
        """One more step; a note of what went wrong is always shown."""
        if step.note:
            print(f"vangram: note: {step.note}", file=sys.stderr)
        if self.quiet:
            return
        elapsed = time.monotonic() - self.pace.started
        if self.live:
            self.live.update(self._bar(step))
        elif elapsed - self.printed >= SECONDS_BETWEEN_LINES or step.level.number != self.level:
            place = where(step.level, step.number)
            words = self._among(), place, _losses(step), self._left(step)
            print("  ".join(filter(None, words)), file=sys.stderr, flush=True)
            self.printed, self.level = elapsed, step.level.number

    def _bar(self, step: Step) -> Group:
        first = Table.grid(padding=(0, 1))
        first.add_row(
            ProgressBar(total=1.0, completed=self._done(step), width=20),
            self._among() or where(step.level, step.number),
            self._left(step),
        )
        second = f"{where(step.level, step.number)}  " if self.among else ""
        return Group(first, second + _losses(step))

    def _among(self) -> str:
        return str(self.among) if self.among else ""

    def _done(self, step: Step) -> float:
        if self.among is None:
            return step.done
        return (self.among.number - 1 + step.done) / self.among.of

    def _left(self, step: Step) -> str:
        left = self.pace.seconds_left(self._done(step))
        return "" if left is None else f"{duration(left)} left at most"


def where(level: Level, number: int) -> str:
    """A place in the plan, after so many of a level's steps."""
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
    """In words as short as may be."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d} h"
