"""`vangram resume`: a stopped run, continued from its checkpoint."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from vangram.cli.options import Monitoring, MovedInputs
from vangram.cli.recorded_inputs import find_inputs, is_film
from vangram.cli.streams import warn
from vangram.errors import CheckpointError

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
    from vangram.cli.resume_runner import resume_run
    from vangram.run.checkpointer import Checkpointer
    from vangram.run.resume import nothing_to_resume, unfinished

    check_timelapse(monitoring.timelapse)
    with closing(Checkpointer(output, warn, force=force)) as checkpointer:
        record = unfinished(checkpointer)
        if record is None:
            _check_is_picture(output)
            raise nothing_to_resume(output)
        inputs = find_inputs(record, str(output), moved)
        resume_run(record, inputs, checkpointer, monitoring, force=force)


def _check_is_picture(output: Path) -> None:
    """Check that an output is not a film, which its own command continues.

    Raises:
        CheckpointError: it is one.
    """
    from vangram.run.recipe_file import recorded_or_none

    if is_film(str(output)) or is_film(str(output), recorded_or_none(output)):
        raise CheckpointError(
            f"{str(output)!r} is a film: the same `vangram film` command goes on with it"
        )
