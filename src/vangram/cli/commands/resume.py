"""`vangram resume`: a run that was stopped, taken up from its checkpoint."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vangram.cli.downloads import ensure_fetched
from vangram.cli.options import Monitoring, MovedInputs
from vangram.cli.recorded_inputs import find_inputs
from vangram.cli.streams import tell
from vangram.errors import CheckpointError, InputError, OutputError
from vangram.settings.record import Record

if TYPE_CHECKING:
    from vangram.optimize import Level, RunState
    from vangram.run.checkpoints import Checkpoints


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

    The picture is the same, to the byte, as without the stop. An input that has changed is refused;
    a timelapse begins here.
    """
    from vangram.cli.outputs import check_outputs, check_timelapse
    from vangram.cli.records import continued, warn
    from vangram.cli.runner import make_picture
    from vangram.run import Run
    from vangram.run.checkpoints import Checkpoints

    check_timelapse(monitoring.timelapse)
    with closing(Checkpoints(output, warn, force=force)) as checkpoints:
        record = _unfinished(checkpoints, output)
        _check_ours(output, record, force)
        checkpoints.place.accept()
        inputs = find_inputs(record, str(output), moved)
        check_outputs(output, inputs=inputs, force=True)
        others = (str(output), *inputs)
        check_outputs(monitoring.preview, monitoring.timelapse, inputs=others, force=force)
        if record.inputs.parameters is None:
            ensure_fetched(record.recipe.network, asked=False)
        run = Run.of(inputs, record.recipe)
        run = replace(run, record=continued(record, run.record))
        if not monitoring.quiet:
            _tell(checkpoints.position, run.levels)
        make_picture(run, monitoring, checkpoints)


def _unfinished(checkpoints: Checkpoints, output: Path) -> Record:
    """The record of the run that was to make a picture.

    Raises:
        CheckpointError: there is no such run, or it cannot go on.
    """
    if not checkpoints.path.exists():
        raise CheckpointError(_nothing_to_resume(output))
    record = checkpoints.read()
    for name, given in record.inputs.named():
        if given.sha256 is None:
            raise CheckpointError(
                f"the {name} of this run came from memory: go on in Python, which can give it again"
            )
    return record


def _check_ours(output: Path, record: Record, force: bool) -> None:
    """Check that the file that the run would overwrite is its picture so far.

    Raises:
        OutputError: it is another, and `force` is not given.
    """
    from vangram.images import read_recipe

    if force or not os.path.lexists(output):
        return
    with suppress(InputError):
        text = read_recipe(output)
        if text is not None and Record.from_json(text).is_of_same_run(record):
            return
    raise OutputError(
        f"{str(output)!r} is not this run's picture; move it away, or add --force to overwrite it"
    )


def _tell(position: RunState | None, levels: tuple[Level, ...]) -> None:
    """Say where the run goes on."""
    from vangram.cli.progress import where

    if position is None:
        tell("starting again: there was no step yet")
    else:
        place = where(levels[position.level - 1], position.level_state.number)
        tell(f"going on at {place}")


def _nothing_to_resume(output: Path) -> str:
    from vangram.run.recipe_file import recorded

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
