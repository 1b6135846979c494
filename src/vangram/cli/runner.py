"""A run in front of somebody: progress, previews, and whatever happens, the picture."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from types import FrameType

import typer
from torch import Tensor

from vangram.cli.downloads import ensure_fetched
from vangram.cli.outputs import check_outputs, check_recipe_file, check_timelapse
from vangram.cli.progress import Among, Progress, duration
from vangram.cli.records import warn
from vangram.images import check_output, fit, resize, write_animation, write_picture
from vangram.optimize import Level, Step
from vangram.run import Run
from vangram.run.attempts import Attempts
from vangram.run.carry_out import keep_picture, take_steps
from vangram.run.checkpoints import Checkpoints, check_unfinished
from vangram.run.progress import done_before
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe
from vangram.settings.toml import write_recipe_file
from vangram.storage.allocator import keep_freed_memory

SECONDS_BETWEEN_PREVIEWS = 3.0
FRAMES = 60
"""Of a timelapse."""
LARGEST_FRAME = 512
"""Longer side of a timelapse in pixels."""


@dataclass(frozen=True)
class Watching:
    """How somebody wants to follow a run."""

    preview: Path | None = None
    timelapse: Path | None = None
    quiet: bool = False
    among: Among | None = None
    """The other pictures, where it is one of several."""


class Terminated(KeyboardInterrupt):
    """The system asks the process to end."""


def make(
    recipe: Recipe,
    inputs: Inputs[str],
    output: Path,
    force: bool,
    preview: Path | None,
    timelapse: Path | None,
    quiet: bool,
    save_recipe: Path | None = None,
) -> None:
    """Check all that can be checked before anything is read, then run."""
    check_timelapse(timelapse)
    check_unfinished(output, force=force)
    check_outputs(output, preview, timelapse, inputs=inputs, force=force)
    check_recipe_file(save_recipe, (output, preview, timelapse, *inputs), force)

    if inputs.parameters is None:
        ensure_fetched(recipe.network)
    run = Run.of(inputs, recipe)
    for note in run.notes:
        print(f"vangram: note: {note}", file=sys.stderr)
    if save_recipe is not None:
        write_recipe_file(save_recipe, recipe)
    carry_out(run, output, Watching(preview, timelapse, quiet))


def carry_out(
    run: Run,
    output: Path,
    watching: Watching,
    checkpoints: Checkpoints | None = None,
) -> None:
    """Run to the end, or as far as it goes, and write the picture; print its path last.

    Whatever stops a run that has taken a step, the picture so far is written first.

    Args:
        run: the run.
        output: where the picture goes.
        watching: how it is followed.
        checkpoints: of an earlier process that the run goes on from.

    Raises:
        OutputError: the picture cannot be written where it was to go.
        typer.Exit: 130 or 143, when stopped by somebody.
    """
    check_output(output, size=run.levels[-1].size)
    keep_freed_memory()
    keepsakes = Keepsakes(watching, run.levels, run.shown)

    def watch(step: Step) -> None:
        progress.show(step)
        keepsakes.add(step)

    with closing(checkpoints or Checkpoints(output, warn)) as kept:
        done = done_before(kept.position, run.levels)
        if not (watching.quiet or watching.among):
            _foretell(run, done)
        progress = Progress(watching.quiet, done, watching.among)
        with _termination_as_interrupt(), progress:
            position, stopped = take_steps(run, kept, watch)
        painting, goes_on = keep_picture(run, position, stopped, output, kept)
    if painting is not None:
        keepsakes.finish(painting.pixels)
        if stopped is not None:
            how = f"; `vangram resume {quote(str(output))}` goes on" if goes_on else ""
            print(f"vangram: stopped early, the picture so far is {output}{how}", file=sys.stderr)
        print(output)
    if isinstance(stopped, KeyboardInterrupt):
        raise typer.Exit(143 if isinstance(stopped, Terminated) else 130)
    if stopped is not None:
        raise stopped


def _foretell(run: Run, done: float) -> None:
    """Say what the run will use, and how long it will take."""
    level, seconds = run.levels[-1], run.expected_seconds(done)
    words = f"{level.size[1]} x {level.size[0]} px {run.means(level)}"
    print(f"vangram: {words}, {duration(seconds)} at most", file=sys.stderr, flush=True)


@dataclass
class Keepsakes:
    """The preview, rewritten now and then, and the frames of the timelapse."""

    watching: Watching
    levels: Sequence[Level]
    shown: Callable[[Tensor, tuple[int, int]], Tensor]
    """As `Run.shown`."""
    frames: list[Tensor] = field(default_factory=list)
    written: float = field(default_factory=time.monotonic)
    attempt: Attempts = field(default_factory=lambda: Attempts(warn))

    def add(self, step: Step) -> None:
        """Take what is wanted of a step; a preview that cannot be written costs a warning."""
        if self.watching.timelapse and self._is_frame(step):
            self.frames.append(self.shown(step.image, self._frame_size))
        now = time.monotonic()
        if self.watching.preview and now - self.written > SECONDS_BETWEEN_PREVIEWS:
            self.attempt(lambda: self._write_preview(self.shown(step.image, self._size)))
            self.written = now

    def finish(self, pixels: Tensor) -> None:
        """Write both as they are at the end."""
        if self.watching.preview:
            self.attempt(lambda: self._write_preview(pixels))
        if self.watching.timelapse:
            self.frames.append(resize(pixels, self._frame_size))
            path, frames = self.watching.timelapse, self.frames
            self.attempt(lambda: write_animation(path, frames))

    @property
    def _size(self) -> tuple[int, int]:
        """Of the finished picture."""
        return self.levels[-1].size

    @property
    def _frame_size(self) -> tuple[int, int]:
        return fit(self._size, min(LARGEST_FRAME, max(self._size)))

    def _is_frame(self, step: Step) -> bool:
        steps = [level.steps for level in self.levels]
        taken = sum(steps[: step.level.number - 1]) + step.number
        share = FRAMES / sum(steps)
        return int(taken * share) > int((taken - 1) * share)

    def _write_preview(self, pixels: Tensor) -> None:
        assert self.watching.preview is not None
        write_picture(self.watching.preview, pixels)


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    def handle(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
