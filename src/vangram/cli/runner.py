"""A run with progress, preview, timelapse and checkpoints; its picture is always written."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from types import FrameType

import typer
from torch import Tensor

from vangram.cli.downloads import ensure_fetched
from vangram.cli.options import Monitoring, Output
from vangram.cli.outputs import check_outputs, check_recipe_file, check_timelapse
from vangram.cli.progress import BatchPlace, Events, Progress, duration
from vangram.cli.records import report, warn
from vangram.cli.streams import tell
from vangram.images import check_output, fit, resize, write_animation, write_picture
from vangram.optimize import Level, Step
from vangram.run import Run
from vangram.run.carry_out import keep_picture, take_steps
from vangram.run.checkpoints import Checkpoints, check_unfinished
from vangram.run.progress import done_before
from vangram.run.side_writes import SideWrites
from vangram.settings.inputs import Inputs
from vangram.settings.kinds import without_effect
from vangram.settings.recipe import Recipe
from vangram.settings.toml import write_recipe_file
from vangram.storage.allocator import keep_freed_memory

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
    run = replace(run, record=replace(run.record, keep_metadata=output.keep_metadata))
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
    side_images = SideImages(monitoring, run.levels, run.shown)

    def watch(step: Step) -> None:
        (events or progress).show(step)
        side_images.add(step)

    with closing(checkpoints or Checkpoints(output, warn)) as kept:
        done = done_before(kept.position, run.levels)
        told = not (monitoring.quiet or place)
        events = Events(run, output, done) if told and monitoring.progress == "json" else None
        if told and events is None:
            _announce(run, done)
        progress = Progress(monitoring.quiet or events is not None, done, place)
        with _termination_as_interrupt(), progress:
            position, stopped = take_steps(run, kept, watch)
        painting, goes_on = keep_picture(run, position, stopped, output, kept)
    if events is not None:
        events.end(stopped, made=painting is not None)
    if painting is not None:
        side_images.finish(painting.pixels)
        if stopped is not None:
            how = f"; `vangram resume {quote(str(output))}` goes on" if goes_on else ""
            tell(f"stopped early, the picture so far is {output}{how}")
        print(output)
    if isinstance(stopped, KeyboardInterrupt):
        raise typer.Exit(143 if isinstance(stopped, Terminated) else 130)
    if stopped is not None:
        raise stopped


def _announce(run: Run, done: float) -> None:
    """Print the size, the plan, and the time expected."""
    level, seconds = run.levels[-1], run.expected_seconds(done)
    words = f"{level.size[1]} x {level.size[0]} px {run.plans[-1]}"
    tell(f"{words}, {duration(seconds)} at most")


@dataclass
class SideImages:
    """The preview, rewritten every few seconds, and the frames of the timelapse."""

    monitoring: Monitoring
    levels: Sequence[Level]
    shown: Callable[[Tensor, tuple[int, int]], Tensor]
    """As `Run.shown`."""
    frames: list[Tensor] = field(default_factory=list)
    written: float = field(default_factory=time.monotonic)
    preview: SideWrites = field(default_factory=lambda: SideWrites(warn))
    timelapse: SideWrites = field(default_factory=lambda: SideWrites(warn))

    def add(self, step: Step) -> None:
        """Keep a frame and write the preview where they are due; a failure is a warning."""
        if self.monitoring.timelapse and self._is_frame(step):
            self.frames.append(self.shown(step.image, self._frame_size))
        now = time.monotonic()
        if self.monitoring.preview and now - self.written > SECONDS_BETWEEN_PREVIEWS:
            self.preview(lambda: self._write_preview(self.shown(step.image, self._size)))
            self.written = now

    def finish(self, pixels: Tensor) -> None:
        """Write the last preview, and the timelapse."""
        if self.monitoring.preview:
            self.preview(lambda: self._write_preview(pixels))
        if self.monitoring.timelapse:
            self.frames.append(resize(pixels, self._frame_size))
            path, frames = self.monitoring.timelapse, self.frames
            self.timelapse(lambda: write_animation(path, frames))

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
