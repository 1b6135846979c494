"""Resume: a run that goes on from the checkpoint of an earlier one.

`unfinished` reads the checkpoint beside an output, `Run.of` prepares a run with the recipe of its
record, and `resumed` checks that it is the same run. `take_steps`, in `run/carry_out.py`, takes the
steps after the checkpoint's position.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from shlex import quote

from vangram.errors import CheckpointError, ExistsError
from vangram.run.checkpointer import SUFFIX, Checkpointer, checkpoint_path
from vangram.run.recipe_file import recorded_or_none
from vangram.run.run import Run
from vangram.settings.record import Record


def unfinished(checkpointer: Checkpointer) -> Record | None:
    """Read the checkpoint beside an output; returns its run's record, None if there is none.

    Raises:
        CheckpointError: it cannot be used, or an input of the run was not a file.
    """
    if not checkpointer.path.exists():
        return None
    record = checkpointer.read()
    for name, given in record.inputs.named():
        if given.sha256 is None:
            raise CheckpointError(
                f"the {name} of this run came from memory; continue the run in Python"
            )
    return record


def resumed(run: Run, began: Record) -> Run:
    """A run prepared anew, as the one that an earlier process began.

    Args:
        run: with the inputs and the recipe of the checkpoint's record.
        began: that record.

    Raises:
        CheckpointError: an input or the network is not what the run began with.
    """
    for change in began.changes(run.record):
        raise CheckpointError(
            f"{change}; a run continues with its first inputs alone, or starts anew with"
            " `vangram stylize --force`"
        )
    return replace(run, record=began.continued(run.record))


def check_unfinished(output: Path, *, force: bool) -> None:
    """Check that no earlier run can be resumed, and that a checkpoint can be written.

    Raises:
        ExistsError: one can, and `force` is not given; or no file is in the checkpoint's place.
    """
    checkpoint = checkpoint_path(output)
    if os.path.lexists(checkpoint) and not os.path.isfile(checkpoint):
        raise ExistsError(f"{str(checkpoint)!r} is no file; move it away")
    if not force and checkpoint.exists():
        raise ExistsError(
            f"{str(output)!r} was begun and not finished: `vangram resume"
            f" {quote(str(output))}` goes on with it, --force starts anew"
        )


def is_picture_of(output: Path, record: Record) -> bool:
    """Whether the file at an output's path is a picture so far of the run with this record."""
    found = recorded_or_none(output)
    return found is not None and found.is_of_same_run(record)


def nothing_to_resume(output: Path) -> CheckpointError:
    """The error of an output without a checkpoint."""
    return CheckpointError(_why_nothing(output))


def _why_nothing(output: Path) -> str:
    if output.suffix == SUFFIX:
        picture = quote(str(output.with_suffix("")))
        return f"{str(output)!r} is a checkpoint; `vangram resume {picture}` goes on"
    if not output.exists():
        return f"there is no run to make {str(output)!r}; `vangram stylize` begins one"
    record = recorded_or_none(output)
    if record is None:
        return f"{str(output)!r} has no checkpoint; was it made by vangram?"
    if record.finished:
        return f"{str(output)!r} is finished: there is nothing to resume"
    return (
        f"{str(output)!r} was stopped early and has no checkpoint;"
        " `vangram rerun` makes it from the beginning"
    )
