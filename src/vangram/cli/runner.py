"""A run with progress, preview, timelapse and checkpoints; its picture is always written."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from types import FrameType

import typer
from torch import Tensor

from vangram.cli.allocator import keep_freed_memory
from vangram.cli.checkpoints import Checkpoints, check_unfinished
from vangram.cli.downloads import ensure_fetched
from vangram.cli.options import Monitoring, Output
from vangram.cli.outputs import check_outputs, check_recipe_file, check_timelapse
from vangram.cli.progress import BatchPlace, Progress, duration
from vangram.cli.records import report
from vangram.cli.side_writes import SideWrites
from vangram.errors import DivergedError, OutputError
from vangram.images import check_output, fit, resize, write_animation, write_picture
from vangram.optimize import Level, RunState, Step
from vangram.run import Painting, Run
from vangram.settings.inputs import Inputs
from vangram.settings.kinds import without_effect
from vangram.settings.recipe import Recipe
from vangram.settings.toml import write_recipe_file

SECONDS_BETWEEN_PREVIEWS = 3.0
FRAMES = 60
"""Frames of a timelapse, at most."""
LARGEST_FRAME = 512
"""Longer side of a timelapse in pixels."""


class Terminated(KeyboardInterrupt):
    """The system asks the process to terminate (SIGTERM)."""


def make(
    recipe: Recipe,
    inputs: Inputs[str],
    output: Output,
    monitoring: Monitoring,
    given: Iterable[str],
    save_recipe: Path | None = None,
) -> None:
    """Check the outputs, which needs no input, then run.

    Args:
        recipe: of the run.
        inputs: paths.
        output: path of the picture.
        monitoring: preview, timelapse, and whether there is progress.
        given: names of the settings that options gave; those without an effect are reported.
        save_recipe: file that the recipe is written to.
    """
    check_timelapse(monitoring.timelapse)
    check_unfinished(output.output, force=output.force)
    written = output.output, monitoring.preview, monitoring.timelapse
    check_outputs(*written, inputs=inputs, force=output.force)
    check_recipe_file(save_recipe, (*written, *inputs), output.force)

    if inputs.parameters is None:
        ensure_fetched(recipe.network)
    run = Run.of(inputs, recipe)
    report([*without_effect(given, recipe, inputs), *run.inputs.notes])
    if save_recipe is not None:
        write_recipe_file(save_recipe, recipe)
    make_picture(run, output.output, monitoring)


def make_picture(
    run: Run,
    output: Path,
    monitoring: Monitoring,
    checkpoints: Checkpoints | None = None,
    place: BatchPlace | None = None,
) -> None:
    """Run to the end, write the picture, and print its path last.

    A run that is stopped by whatever cause after its first step writes the image so far.

    Args:
        run: the run.
        output: path of the picture.
        monitoring: preview, timelapse, and whether there is progress.
        checkpoints: those of an earlier process that the run continues.
        place: position of the picture in a batch.

    Raises:
        OutputError: the picture cannot be written to `output`.
        typer.Exit: 130 when interrupted, 143 when terminated.
    """
    check_output(output, size=run.levels[-1].size)
    keep_freed_memory()
    stopped: BaseException | None = None
    side_images = SideImages(monitoring, run.levels, run.shown)
    with closing(checkpoints or Checkpoints(output)) as kept:
        position = kept.begin(run.record)
        done = _done(position, run.levels)
        if not (monitoring.quiet or place):
            _announce(run, done)
        progress = Progress(monitoring.quiet, done, place)
        with _termination_as_interrupt(), progress:
            try:
                for step in run.steps(position):
                    position = step.state
                    progress.show(step)
                    side_images.add(step)
                    kept.add(step)
            except (KeyboardInterrupt, Exception) as reason:
                stopped = reason
        if position is not None:
            painting = run.painting(position.image, finished=stopped is None)
            _save(painting, output)
            side_images.finish(painting.pixels)
        # After the picture, so that one of the two always exists. A diverged run would diverge
        # again, so it leaves no checkpoint.
        over = stopped is None or isinstance(stopped, DivergedError)
        goes_on = not over and kept.stop(position)
        if over:
            kept.remove()
    if position is not None:
        if stopped is not None:
            how = f"; `vangram resume {quote(str(output))}` goes on" if goes_on else ""
            print(f"vangram: stopped early, the picture so far is {output}{how}", file=sys.stderr)
        print(output)
    if isinstance(stopped, KeyboardInterrupt):
        raise typer.Exit(143 if isinstance(stopped, Terminated) else 130)
    if stopped is not None:
        raise stopped


def _announce(run: Run, done: float) -> None:
    """Print the size, the plan, and the time expected."""
    level, seconds = run.levels[-1], run.expected_seconds(done)
    words = f"{level.size[1]} x {level.size[0]} px {run.plans[-1]}"
    print(f"vangram: {words}, {duration(seconds)} at most", file=sys.stderr, flush=True)


def _done(position: RunState | None, levels: Sequence[Level]) -> float:
    """Share of the work that is done."""
    return levels[position.level - 1].done(position.level_state.number) if position else 0.0


def _save(painting: Painting, output: Path) -> None:
    """Save the picture; where that fails, save it in a temporary folder and say where."""
    try:
        painting.save(output)
    except OutputError as error:
        refuge = Path(tempfile.mkdtemp(prefix="vangram-")) / output.name
        painting.save(refuge)
        raise OutputError(f"{error}; the picture is kept as {refuge}") from error


@dataclass
class SideImages:
    """The preview, rewritten every few seconds, and the frames of the timelapse."""

    monitoring: Monitoring
    levels: Sequence[Level]
    shown: Callable[[Tensor, tuple[int, int]], Tensor]
    """As `Run.shown`."""
    frames: list[Tensor] = field(default_factory=list)
    written: float = field(default_factory=time.monotonic)
    attempt: SideWrites = field(default_factory=SideWrites)

    def add(self, step: Step) -> None:
        """Keep a frame and write the preview where they are due; a failure is a warning."""
        if self.monitoring.timelapse and self._is_frame(step):
            self.frames.append(self.shown(step.image, self._frame_size))
        now = time.monotonic()
        if self.monitoring.preview and now - self.written > SECONDS_BETWEEN_PREVIEWS:
            self.attempt(lambda: self._write_preview(self.shown(step.image, self._size)))
            self.written = now

    def finish(self, pixels: Tensor) -> None:
        """Write the last preview, and the timelapse."""
        if self.monitoring.preview:
            self.attempt(lambda: self._write_preview(pixels))
        if self.monitoring.timelapse:
            self.frames.append(resize(pixels, self._frame_size))
            path, frames = self.monitoring.timelapse, self.frames
            self.attempt(lambda: write_animation(path, frames))

    @property
    def _size(self) -> tuple[int, int]:
        """(height, width) of the finished picture."""
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
        assert self.monitoring.preview is not None
        write_picture(self.monitoring.preview, pixels)


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    def handle(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
