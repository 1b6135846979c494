"""A run with progress, preview, timelapse and checkpoints; its picture is always written."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote

import typer
from torch import Tensor

from vangram.cli.downloads import ensure_fetched
from vangram.cli.interrupts import INTERRUPTS
from vangram.cli.options import Monitoring, Output
from vangram.cli.outputs import (
    check_outputs,
    check_recipe_file,
    check_timelapse,
    tell_moved,
    write_at,
)
from vangram.cli.progress import BatchPlace, Events, Progress, duration, where
from vangram.cli.streams import report, tell, warn
from vangram.engines.ranks import Ranks
from vangram.errors import CheckpointError, InputError, OutputError
from vangram.images import (
    check_output,
    fit,
    read_recipe,
    resize,
    write_animation,
    write_picture,
)
from vangram.optimize import Level, RunState, Step
from vangram.run import Run
from vangram.run.carry_out import Kept, keep_picture, take_steps
from vangram.run.checkpointer import Checkpointer, check_unfinished, continued
from vangram.run.progress import done_before
from vangram.run.recipe_file import recorded
from vangram.run.side_writes import SideWrites
from vangram.settings.inputs import Inputs
from vangram.settings.kinds import without_effect
from vangram.settings.recipe import Recipe
from vangram.settings.record import Record
from vangram.settings.toml import write_recipe_file
from vangram.settings.torchrun import is_launched, restarts
from vangram.storage.allocator import keep_freed_memory
from vangram.storage.files import counted
from vangram.storage.places import Place

SECONDS_BETWEEN_PREVIEWS = 3.0
FRAMES = 60
"""Largest number of frames of a timelapse."""
LARGEST_FRAME = 512
"""Longer side of a timelapse in pixels."""


def make(
    recipe: Recipe,
    inputs: Inputs[str],
    output: Output,
    monitoring: Monitoring,
    given: Collection[str],
    save_recipe: Path | None = None,
) -> None:
    """Check the outputs, which is possible before any input is read, then run.

    Args:
        recipe: of the run.
        inputs: paths.
        output: path of the picture.
        monitoring: preview, timelapse, and whether there is progress.
        given: names of the settings that options gave; those without an effect are reported.
        save_recipe: file that the recipe is written to.
    """
    check_timelapse(monitoring.timelapse)
    with closing(Checkpointer(output.output, warn, force=output.force)) as checkpointer:
        if resumed_by_torchrun(recipe, inputs, output, monitoring, checkpointer):
            return
        check_unfinished(output.output, force=output.force)
        written = output.output, monitoring.preview, monitoring.timelapse
        check_outputs(*written, inputs=inputs, force=output.force)
        check_recipe_file(save_recipe, (*written, *inputs), output.force)

        if inputs.parameters is None:
            ensure_fetched(recipe.network, asked="network" in given)
        run = Run.of(inputs, recipe)
        run = replace(run, record=replace(run.record, keep_metadata=output.keep_metadata))
        report([*without_effect(given, recipe, inputs), *run.inputs.notes])
        if save_recipe is not None:
            write_recipe_file(save_recipe, recipe)
        make_picture(run, monitoring, checkpointer)


def resumed_by_torchrun(
    recipe: Recipe,
    inputs: Inputs[str],
    output: Output,
    monitoring: Monitoring,
    checkpointer: Checkpointer,
) -> Path | None:
    """Resume the run that this command began under torchrun.

    Args:
        recipe: of the run.
        inputs: paths.
        output: path of the picture.
        monitoring: as of `make`.
        checkpointer: of the run.

    Returns:
        Path of its picture, finished now or before; None where no run was begun.

    Raises:
        CheckpointError: another run was begun.
    """
    if not is_launched():
        return None
    again = restarts() > 0
    if checkpointer.path.exists() and (again or not output.force):
        record = checkpointer.read()
        memory = record.recipe.memory if recipe.memory is None else recipe.memory
        if record.recipe != recipe.replace(memory=memory):
            raise CheckpointError(
                f"{str(output.output)!r} was begun with other settings: `vangram resume"
                f" {quote(str(output.output))}` goes on with these, --force starts anew"
            )
        return resume_run(record, inputs, checkpointer, monitoring, force=again or output.force)
    if again and not output.force and output.output.exists():
        record = recorded(str(output.output))
        if record.finished and record.recipe.replace(memory=recipe.memory) == recipe:
            tell("the picture is finished")
            print(output.output)
            return output.output
    return None


def resume_run(
    record: Record,
    inputs: Inputs[str],
    checkpointer: Checkpointer,
    monitoring: Monitoring,
    *,
    force: bool,
) -> Path:
    """Continue a run from its checkpoint; returns the path of its picture.

    Args:
        record: of the checkpoint.
        inputs: paths of its inputs.
        checkpointer: of the run, read.
        monitoring: as of `make`.
        force: overwrite any file at the picture's place, and those beside it.
    """
    output = checkpointer.output
    _check_ours(output, record, force)
    checkpointer.place.accept()
    check_outputs(output, inputs=inputs, force=True)
    others = (str(output), *inputs)
    check_outputs(monitoring.preview, monitoring.timelapse, inputs=others, force=force)
    if record.inputs.parameters is None:
        ensure_fetched(record.recipe.network, asked=False)
    run = Run.of(inputs, record.recipe)
    now = run.record
    run = replace(run, record=continued(record, now))
    report(record.differences(now))
    if record.versions != now.versions:
        report(["so the picture may not be, to the byte, that of a run without the stop"])
    if not monitoring.quiet:
        _tell_place(checkpointer.position, run.levels)
    return make_picture(run, monitoring, checkpointer)


def _check_ours(output: Path, record: Record, force: bool) -> None:
    """Check that the file at the output's path is the picture so far of this run.

    Raises:
        OutputError: it is another, and `force` is not given.
    """
    if force or not os.path.lexists(output):
        return
    with suppress(InputError):
        text = read_recipe(output)
        if text is not None and Record.from_json(text).is_of_same_run(record):
            return
    raise OutputError(
        f"{str(output)!r} is not this run's picture; move it away, or add --force to overwrite it"
    )


def _tell_place(position: RunState | None, levels: tuple[Level, ...]) -> None:
    """Print the level and step at which the run resumes."""
    if position is None:
        tell("starting again: no step had been saved yet")
    else:
        place = where(levels[position.level - 1], position.level_state.number)
        tell(f"going on at {place}")


def make_picture(
    run: Run, monitoring: Monitoring, checkpointer: Checkpointer, place: BatchPlace | None = None
) -> Path:
    """Run to the end, write the picture, and print its path last.

    A run that is stopped by any cause after its first step writes the image so far, whatever
    signals come meanwhile.

    Args:
        run: the run.
        monitoring: preview, timelapse, and whether there is progress.
        checkpointer: of the run, with its output.
        place: position of the picture in a batch.

    Returns:
        Path of the picture; it differs from the output where another file has appeared there.

    Raises:
        OutputError: the picture cannot be written.
        typer.Exit: 129, 130 or 143 when interrupted; in a batch, not after the last step.
    """
    output = checkpointer.output
    check_output(output, size=run.levels[-1].size)
    keep_freed_memory()
    content = run.inputs.pictures.content
    alpha = None if content is None else content.alpha
    side_images = SideImages(monitoring, run.levels, run.shown, checkpointer.place.force, alpha)

    def watch(step: Step) -> None:
        (events or progress).show(step)
        side_images.add(step)

    done = done_before(checkpointer.position, run.levels)
    told = not (monitoring.quiet or place)
    events = Events(run, done) if told and monitoring.progress == "json" else None
    if told and events is None:
        _announce(run, done)
    progress = Progress(monitoring.quiet or events is not None, done, place)
    with INTERRUPTS.deferred():
        with progress:
            position, stopped = take_steps(run, checkpointer, watch, INTERRUPTS.allowed)
        kept = keep_picture(run, position, stopped, checkpointer)
        if events is not None:
            events.end(stopped, kept.path if kept.painting is not None else None)
        if kept.painting is not None:
            side_images.finish(kept.painting.pixels)
        _tell_end(kept, output, stopped)
    if stopped is not None and not isinstance(stopped, KeyboardInterrupt):
        raise stopped
    if stopped is not None or (place is None and INTERRUPTS.number is not None):
        raise typer.Exit(INTERRUPTS.code)
    return kept.path


def _tell_end(kept: Kept, output: Path, stopped: BaseException | None) -> None:
    """Print the picture's path, and for a stopped run how it continues."""
    tell_moved(output, kept.path)
    how = f"; `vangram resume {quote(str(output))}` goes on" if kept.goes_on else ""
    if isinstance(stopped, KeyboardInterrupt) and kept.painting is None:
        tell(f"stopped before the first step, there is no picture{how}")
    elif stopped is not None and kept.painting is not None:
        tell(f"stopped early, the picture so far is {kept.path}{how}")
    if kept.painting is not None:
        print(kept.path)


def _announce(run: Run, done: float) -> None:
    """Print the size, the plan, and the time expected; with several ranks, what each size uses."""
    if Ranks.current is not None:
        divided = (f"{p.level.size[1]} x {p.level.size[0]} px on {p.division}" for p in run.plans)
        alone = any(plan.devices == 1 for plan in run.plans)
        small = " (one is as fast where there are few rows)" if alone else ""
        tell(f"{counted(Ranks.current.size, 'rank')}: {'; '.join(divided)}{small}")
    level, seconds = run.levels[-1], run.expected_seconds(done)
    words = f"{level.size[1]} x {level.size[0]} px {run.plans[-1]}"
    tell(f"{words}, {duration(seconds)} at most")


@dataclass
class SideImages:
    """The preview, rewritten every few seconds, and the frames of the timelapse."""

    monitoring: Monitoring
    levels: Sequence[Level]
    shown: Callable[[Tensor, tuple[int, int]], Tensor]
    """The run's `Run.shown`."""
    force: bool = False
    """Whether files that have appeared since the run began are overwritten."""
    alpha: Tensor | None = None
    """Alpha of the photograph and the result, (1, 1, H, W); None: opaque."""
    frames: list[Tensor] = field(default_factory=list)
    preview: SideWrites = field(default_factory=lambda: SideWrites(warn, SECONDS_BETWEEN_PREVIEWS))
    timelapse: SideWrites = field(default_factory=lambda: SideWrites(warn))

    def __post_init__(self) -> None:
        given = self.monitoring.preview, self.monitoring.timelapse
        self.places = {path: Place(path, force=self.force) for path in given if path is not None}

    def add(self, step: Step) -> None:
        """Keep a frame and write the preview, if they are due; a failure is a warning."""
        if self.monitoring.timelapse and self._is_frame(step):
            self.frames.append(self.shown(step.image, self._frame_size))
        if self.monitoring.preview and self.preview.is_due:
            self.preview(lambda: self._write_preview(self.shown(step.image, self._size)))

    def finish(self, pixels: Tensor) -> None:
        """Write the last preview, and the timelapse."""
        if self.monitoring.preview:
            self.preview(lambda: self._write_preview(pixels))
        if self.monitoring.timelapse:
            self.frames.append(resize(pixels, self._frame_size))
            place, frames = self.places[self.monitoring.timelapse], self.frames
            alphas = [self._alpha(self._frame_size)] * len(frames)
            self.timelapse(
                lambda: write_at(
                    place, lambda p, o: write_animation(p, frames, alphas=alphas, overwrite=o)
                )
            )

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
        place = self.places[self.monitoring.preview]
        alpha = self._alpha(self._size)
        write_at(place, lambda path, over: write_picture(path, pixels, alpha=alpha, overwrite=over))

    def _alpha(self, size: tuple[int, int]) -> Tensor | None:
        return None if self.alpha is None else resize(self.alpha, size)
