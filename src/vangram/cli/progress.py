"""Progress: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vangram.cli.streams import Interval, tell
from vangram.errors import line_of
from vangram.film import FilmStep
from vangram.optimize import Level, Step
from vangram.run import Run
from vangram.run.progress import Pace, plan_of, progress_of
from vangram.storage.files import printable

WIDGETS = find_spec("ipywidgets") is not None
"""Whether a notebook can show a bar; without, it gets lines, as a file does."""


@dataclass(frozen=True)
class BatchPlace:
    """Position of a picture in a batch."""

    number: int
    of: int
    name: str
    begun: int
    """Pictures that existed when this process began."""
    started: float
    """Time at which this process began, by `time.monotonic`."""

    @property
    def share_begun(self) -> float:
        """Share of the work that was done before."""
        return self.begun / self.of

    def done(self, step: Step) -> float:
        """Share of the work that is done after a step."""
        return (self.number - 1 + step.done) / self.of

    def __str__(self) -> str:
        return printable(f"{self.number}/{self.of} {self.name}")


@dataclass
class FilmPlace:
    """Position in a film, which moves on with each step."""

    frames: int
    shots: int
    share_begun: float
    started: float
    shot: int = 0
    step: FilmStep | None = None
    share: float = 0.0
    """Share of the work that is done."""

    def done(self, step: Step) -> float:
        """Share of the work that is done."""
        return self.share

    def __str__(self) -> str:
        if self.step is None:
            return ""
        shot = f"shot {self.shot + 1}/{self.shots}  " if self.shots > 1 else ""
        return f"{shot}pass {self.step.number}  frame {self.step.index + 1}/{self.frames}"


class Progress:
    """Shows steps on the standard error: level, step, losses, time left.

    Args:
        quiet: print notes of failures alone.
        begun: share of the work that earlier processes have done.
        place: position in a batch or a film; bar and time are then those of the whole.
    """

    def __init__(
        self,
        quiet: bool = False,
        begun: float = 0.0,
        place: BatchPlace | FilmPlace | None = None,
    ) -> None:
        self.quiet = quiet
        self.place = place
        self.pace = Pace(place.share_begun, place.started) if place else Pace(begun)
        self.interval = Interval()
        self.level = 0
        console = Console(stderr=True)
        self.live = (
            Live(console=console, refresh_per_second=8, transient=True)
            if not quiet and (console.is_terminal or (console.is_jupyter and WIDGETS))
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
            tell(f"note: {step.note}")
        if self.quiet:
            return
        if self.live:
            self.live.update(self._bar(step))
        elif self.interval.is_over(early=step.level.number != self.level):
            place = where(step.level, step.number)
            words = self._place(), place, _losses(step), self._left(step)
            print("  ".join(filter(None, words)), file=sys.stderr, flush=True)
            self.level = step.level.number

    def _bar(self, step: Step) -> Group:
        first = Table.grid(padding=(0, 1))
        first.add_row(
            ProgressBar(total=1.0, completed=self._done(step), width=20),
            Text(self._place() or where(step.level, step.number)),
            self._left(step),
        )
        second = f"{where(step.level, step.number)}  " if self.place else ""
        return Group(first, second + _losses(step))

    def _place(self) -> str:
        return str(self.place) if self.place else ""

    def _done(self, step: Step) -> float:
        if self.place is None:
            return step.done
        return self.place.done(step)

    def _left(self, step: Step) -> str:
        left = self.pace.seconds_left(self._done(step))
        return "" if left is None else f"{duration(left)} left at most"


class Events:
    """Writes a run's events to the standard error, JSON a line, as the studio's interface has them.

    Args:
        run: the run.
        done: share of the work that earlier processes have done.
    """

    def __init__(self, run: Run, done: float) -> None:
        plan = plan_of(run) | {"seconds": round(run.expected_seconds(done), 1)}
        self._write("job", state="running", plan=plan)
        self.pace = Pace(done)

    def show(self, step: Step) -> None:
        """Write a step."""
        left = self.pace.seconds_left(step.done)
        self._write("progress", state="running", **progress_of(step, left))

    def end(self, stopped: BaseException | None, picture: Path | None) -> None:
        """Write how the run has ended.

        Args:
            stopped: what ended it early.
            picture: its path; None where there is none.
        """
        interrupted = isinstance(stopped, KeyboardInterrupt)
        failed = None if stopped is None or interrupted else line_of(stopped)
        state = "finished" if stopped is None else "stopped" if interrupted else "failed"
        result = None if picture is None else str(picture)
        self._write("job", state=state, result=result, error=failed)

    def _write(self, event: str, **values: object) -> None:
        print(json.dumps({"event": event} | values), file=sys.stderr, flush=True)


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
