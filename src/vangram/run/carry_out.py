"""A run with checkpoints: take its steps, and write the picture so far when they end."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from vangram.errors import DivergedError, OutputError
from vangram.optimize import RunState, Step
from vangram.run.checkpointer import Checkpointer
from vangram.run.result import Painting
from vangram.run.run import Run
from vangram.storage.files import quoted, reason
from vangram.storage.places import Place


@dataclass(frozen=True)
class Kept:
    """Outcome of a run that has ended."""

    painting: Painting | None
    """The result so far; None before the first step."""
    path: Path
    """Path of the picture; not the output's path where another file has appeared there."""
    goes_on: bool
    """Whether the run can be resumed."""


def take_steps(
    run: Run,
    checkpointer: Checkpointer,
    watch: Callable[[Step], object],
    computing: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> tuple[RunState | None, BaseException | None]:
    """Take the steps that are left.

    Args:
        run: the run.
        checkpointer: the run's; the steps begin at the checkpoint that it has read, if any.
        watch: called with each step; an exception that it raises ends the run.
        computing: the context in which each step is computed.

    Returns:
        The state after the last step, None without one; the exception that ended the run early.
    """
    position = checkpointer.begin(run.record)
    try:
        steps = run.steps(position)
        while True:
            with computing():
                step = next(steps, None)
            if step is None:
                return position, None
            position = step.state
            watch(step)
            checkpointer.add(step)
    except (KeyboardInterrupt, Exception) as reason:
        return position, reason


def keep_picture(
    run: Run, position: RunState | None, stopped: BaseException | None, checkpointer: Checkpointer
) -> Kept:
    """Write the picture of a run that has ended, and keep or remove its checkpoint.

    Args:
        run: the run.
        position: its state; None before the first step, when there is no picture.
        stopped: the exception that ended it early.
        checkpointer: of the run.

    Raises:
        OutputError: the picture cannot be written to the output; it is kept elsewhere, or the run
            can be resumed.
    """
    painting, path = None, checkpointer.output
    if position is not None:
        painting = run.painting(position.image, finished=stopped is None)
        try:
            path = _save(painting, checkpointer.place)
        except OutputError as error:
            if not checkpointer.stop(position):
                raise
            output = quote(str(checkpointer.output))
            again = f"`vangram resume {output}` goes on from the last checkpoint"
            raise OutputError(f"{error}; {again}") from error
    # After the picture, so that one of the two is always there. A run that has diverged would
    # diverge again.
    if stopped is None or isinstance(stopped, DivergedError):
        checkpointer.remove()
        return Kept(painting, path, goes_on=False)
    return Kept(painting, path, goes_on=checkpointer.stop(position))


def _save(painting: Painting, place: Place) -> Path:
    """Save, and where that fails, save among the temporary files rather than lose the picture."""
    try:
        return place.write(lambda path, overwrite: painting.save(path, overwrite=overwrite))
    except OutputError as error:
        folder = None
        try:
            folder = tempfile.mkdtemp(prefix="vangram-")
            refuge = painting.save(Path(folder, place.path.name))
        except (OSError, OutputError) as other:
            if folder is not None:
                with suppress(OSError):
                    os.rmdir(folder)
            why = reason(other.__cause__ or other)
            raise OutputError(f"{error}; nor can it be kept as a temporary file ({why})") from other
        raise OutputError(f"{error}; the picture is kept as {quoted(refuge)}") from error
