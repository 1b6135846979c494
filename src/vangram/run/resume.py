"""Resume: a run that goes on from the checkpoint of an earlier one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from shlex import quote

from vangram.errors import CheckpointError, OutputError
from vangram.run.checkpointer import checkpoint_path
from vangram.run.run import Run
from vangram.settings.record import Record


def resumed(run: Run, began: Record) -> Run:
    """A run prepared anew, as the one that an earlier process began.

    The steps then continue at the position in the checkpoint, which `Checkpointer.begin` gives.

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
    """Check that no earlier run can be resumed.

    Raises:
        OutputError: one can, and `force` is not given.
    """
    if not force and os.path.exists(checkpoint_path(output)):
        raise OutputError(
            f"{str(output)!r} was begun and not finished: `vangram resume"
            f" {quote(str(output))}` goes on with it, --force starts anew"
        )
