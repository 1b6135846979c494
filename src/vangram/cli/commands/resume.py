"""`vangram resume`: a stopped run, continued from its checkpoint."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vangram.cli.options import Monitoring, MovedInputs
from vangram.cli.recorded_inputs import find_inputs, is_film
from vangram.cli.streams import warn
from vangram.errors import CheckpointError, InputError
from vangram.settings.record import Record

if TYPE_CHECKING:
    from vangram.run.checkpointer import Checkpointer


Unfinished = Annotated[
    Path, typer.Argument(metavar="PICTURE", help="The output of the run that was stopped.")
]
ForceBeside = Annotated[
    bool,
    typer.Option("--force", help="Overwrite any file at PICTURE's place, and those beside it."),
]


def resume(
    output: Unfinished, moved: MovedInputs, force: ForceBeside, monitoring: Monitoring
) -> None:
    """Continue a run that was stopped, killed or interrupted, from its last checkpoint.

    By the same version the picture is the same, to the byte, as without the stop. An input that
    has changed is refused; a timelapse begins here.
    """
    from vangram.cli.outputs import check_timelapse
    from vangram.cli.resume import resume_run
    from vangram.run.checkpointer import Checkpointer

    check_timelapse(monitoring.timelapse)
    with closing(Checkpointer(output, warn, force=force)) as checkpointer:
        record = _unfinished(checkpointer, output)
        inputs = find_inputs(record, str(output), moved)
        resume_run(record, inputs, checkpointer, monitoring, force=force)


def _unfinished(checkpointer: Checkpointer, output: Path) -> Record:
    """The record of the unfinished run that makes the output.

    Raises:
        CheckpointError: there is no such run, or it cannot go on.
    """
    if not checkpointer.path.exists():
        raise CheckpointError(_nothing_to_resume(output))
    record = checkpointer.read()
    for name, given in record.inputs.named():
        if given.sha256 is None:
            raise CheckpointError(
                f"the {name} of this run came from memory; continue the run in Python"
            )
    return record


def _nothing_to_resume(output: Path) -> str:
    from vangram.run.recipe_file import recorded

    film = f"{str(output)!r} is a film: the same `vangram film` command goes on with it"
    if is_film(str(output)):
        return film
    if not output.exists():
        return f"there is no run to make {str(output)!r}; `vangram stylize` begins one"
    try:
        record = recorded(str(output))
    except InputError:
        return f"{str(output)!r} has no checkpoint; was it made by vangram?"
    if is_film(str(output), record):
        return film
    if record.finished:
        return f"{str(output)!r} is finished: there is nothing to resume"
    return (
        f"{str(output)!r} was stopped early and has no checkpoint;"
        " `vangram rerun` makes it from the beginning"
    )
