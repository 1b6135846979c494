"""What `vangram resume` makes sure of before it goes on: that there is a run, and the same one."""

from __future__ import annotations

import sys
from pathlib import Path

from vangram.cli.checkpoints import Checkpoints
from vangram.cli.progress import where
from vangram.cli.records import recorded, report
from vangram.errors import CheckpointError, InputError
from vangram.optimize import Level, Position
from vangram.settings.record import Record


def unfinished(checkpoints: Checkpoints, output: Path) -> Record:
    """The record of the run that was to make a picture.

    Raises:
        CheckpointError: there is no such run, or it cannot go on.
    """
    if not checkpoints.path.exists():
        raise CheckpointError(_nothing_to_resume(output))
    record = checkpoints.read()
    for name, given in record.inputs.items():
        if given.sha256 is None:
            raise CheckpointError(
                f"the {name} of this run came from memory: go on in Python, which can give it again"
            )
    return record


def continued(was: Record, now: Record) -> Record:
    """The record of the run that goes on; tells which versions differ.

    Raises:
        CheckpointError: an input or the network is not what the run began with.
    """
    for change in was.changes(now):
        raise CheckpointError(
            f"{change}; a run goes on with what it began with, or starts anew with"
            " `vangram stylize --force`"
        )
    report(was.differences(now))
    return was.continued(now)


def tell(position: Position | None, levels: tuple[Level, ...]) -> None:
    """Say where the run goes on."""
    if position is None:
        print("vangram: starting again: there was no step yet", file=sys.stderr)
    else:
        place = where(levels[position.level - 1], position.descent.number)
        print(f"vangram: going on at {place}", file=sys.stderr)


def _nothing_to_resume(output: Path) -> str:
    if not output.exists():
        return f"there is no run to make {str(output)!r}; `vangram stylize` begins one"
    try:
        finished = recorded(str(output)).finished
    except InputError:
        return f"{str(output)!r} has no checkpoint; was it made by vangram?"
    if finished:
        return f"{str(output)!r} is finished: there is nothing to resume"
    return (
        f"{str(output)!r} was stopped early and has no checkpoint;"
        " `vangram rerun` makes it from the beginning"
    )
