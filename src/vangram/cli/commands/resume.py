"""`vangram resume`: a run that was stopped, taken up from its checkpoint."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vangram.cli import options
from vangram.cli.downloads import ensure_fetched
from vangram.cli.inputs import find_inputs
from vangram.errors import CheckpointError, InputError
from vangram.settings.inputs import Inputs
from vangram.settings.record import Record

if TYPE_CHECKING:
    from vangram.optimize import Level, RunState
    from vangram.run.checkpoints import Checkpoints


def resume(
    output: Annotated[
        Path, typer.Argument(metavar="PICTURE", help="The output of the run that was stopped.")
    ],
    content: options.Content = None,
    style: options.Style = None,
    start: options.Start = None,
    parameters: options.ParametersNow = None,
    mask: options.MaskNow = None,
    style_mask: options.StyleMaskNow = None,
    keep: options.KeepNow = None,
    before: options.BeforeNow = None,
    before_frame: options.BeforeFrameNow = None,
    flow: options.FlowNow = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite an existing preview or timelapse.")
    ] = False,
    preview: options.Preview = None,
    timelapse: options.Timelapse = None,
    quiet: options.Quiet = False,
) -> None:
    """Go on with a run that was stopped, killed or interrupted, from its last checkpoint.

    The picture is the one that the run would have made, to the byte. An input that is not the same
    file is refused; a timelapse begins here.
    """
    from vangram.cli.outputs import check_outputs, check_timelapse
    from vangram.cli.records import continued, warn
    from vangram.cli.runner import Watching, carry_out
    from vangram.run import Run
    from vangram.run.checkpoints import Checkpoints

    check_timelapse(timelapse)
    with closing(Checkpoints(output, warn)) as checkpoints:
        record = _unfinished(checkpoints, output)
        given = Inputs(
            content=content,
            styles=tuple(style or ()),
            start=start,
            parameters=parameters,
            mask=mask,
            style_masks=tuple(style_mask or ()),
            keep=keep,
            before=before,
            before_frame=before_frame,
            flow=flow,
        )
        inputs = find_inputs(record, str(output), given)
        check_outputs(output, inputs=inputs, force=True)
        check_outputs(preview, timelapse, inputs=(str(output), *inputs), force=force)
        if record.inputs.parameters is None:
            ensure_fetched(record.recipe.network)
        run = Run.of(inputs, record.recipe)
        run = replace(run, record=continued(record, run.record))
        if not quiet:
            _tell(checkpoints.position, run.levels)
        carry_out(run, output, Watching(preview, timelapse, quiet), checkpoints)


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


def _tell(position: RunState | None, levels: tuple[Level, ...]) -> None:
    """Say where the run goes on."""
    from vangram.cli.progress import where

    if position is None:
        print("vangram: starting again: there was no step yet", file=sys.stderr)
    else:
        place = where(levels[position.level - 1], position.level_state.number)
        print(f"vangram: going on at {place}", file=sys.stderr)


def _nothing_to_resume(output: Path) -> str:
    from vangram.cli.records import recorded

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
