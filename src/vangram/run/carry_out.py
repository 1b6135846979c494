"""A run carried out: its steps taken with checkpoints, and whatever ends it, the picture so far."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from vangram.errors import DivergedError, OutputError
from vangram.optimize import RunState, Step
from vangram.run.checkpoints import Checkpoints
from vangram.run.result import Painting
from vangram.run.run import Run


def take_steps(
    run: Run, checkpoints: Checkpoints, watch: Callable[[Step], object]
) -> tuple[RunState | None, BaseException | None]:
    """Take the steps that are left.

    Args:
        run: the run.
        checkpoints: of the run, where it goes on from; written as it goes.
        watch: told each step; what it raises ends the run.

    Returns:
        Where the run stands, None before the first step; what ended it early, None at its end.
    """
    position = checkpoints.begin(run.record)
    try:
        for step in run.steps(position):
            position = step.state
            watch(step)
            checkpoints.add(step)
    except (KeyboardInterrupt, Exception) as reason:
        return position, reason
    return position, None


def keep_picture(
    run: Run,
    position: RunState | None,
    stopped: BaseException | None,
    output: Path,
    checkpoints: Checkpoints,
) -> tuple[Painting | None, bool]:
    """Write the picture of a run that has ended, and keep or remove its checkpoint.

    Args:
        run: the run.
        position: where it stands; None before the first step, when there is no picture.
        stopped: what ended it early.
        output: where the picture goes.
        checkpoints: of the run.

    Returns:
        The picture, and whether the run can go on from a checkpoint.

    Raises:
        OutputError: the picture cannot be written where it was to go; it is kept elsewhere.
    """
    painting = None
    if position is not None:
        painting = run.painting(position.image, finished=stopped is None)
        _save(painting, output)
    # After the picture, so that one of the two is always there. A run that has diverged would
    # diverge again.
    if stopped is None or isinstance(stopped, DivergedError):
        checkpoints.remove()
        return painting, False
    return painting, checkpoints.stop(position)


def _save(painting: Painting, output: Path) -> None:
    """Save, and where that fails, save among the temporary files rather than lose the picture."""
    try:
        painting.save(output, overwrite=True)
    except OutputError as error:
        refuge = Path(tempfile.mkdtemp(prefix="vangram-")) / output.name
        painting.save(refuge)
        raise OutputError(f"{error}; the picture is kept as {refuge}") from error
