"""A run with progress, preview, timelapse and checkpoints; its picture is always written."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import typer

from vangram.cli.interrupts import INTERRUPTS
from vangram.cli.options import Monitoring
from vangram.cli.outputs import tell_moved
from vangram.cli.progress import BatchPlace, Events, Progress, duration
from vangram.cli.side_images import SideImages
from vangram.cli.streams import tell
from vangram.engines.ranks import Ranks
from vangram.images import check_output
from vangram.optimize import Step
from vangram.run import Run
from vangram.run.carry_out import Kept, keep_picture, take_steps
from vangram.run.checkpointer import Checkpointer
from vangram.run.progress import done_before
from vangram.settings.torchrun import is_launched
from vangram.storage.allocator import keep_freed_memory
from vangram.storage.files import counted


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
        DivergedError: the loss is not finite; the picture so far is written.
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
        _tell_end(kept, output, stopped, in_batch=place is not None)
    if stopped is not None and not isinstance(stopped, KeyboardInterrupt):
        raise stopped
    if stopped is not None or (place is None and INTERRUPTS.number is not None):
        raise typer.Exit(INTERRUPTS.code)
    return kept.path


def _tell_end(kept: Kept, output: Path, stopped: BaseException | None, *, in_batch: bool) -> None:
    """Print the picture's path, and for a stopped run how it continues; a batch says so itself."""
    tell_moved(output, kept.path)
    how = ""
    if kept.goes_on and not in_batch:
        again = "the same command" if is_launched() else f"`vangram resume {quote(str(output))}`"
        how = f"; {again} goes on"
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
