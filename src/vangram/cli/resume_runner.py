"""The command line of a resumed run: `vangram resume`, and a restart by torchrun."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote

from vangram.cli.downloads import ensure_fetched
from vangram.cli.options import Monitoring, Output
from vangram.cli.outputs import check_outputs
from vangram.cli.progress import where
from vangram.cli.runner import make_picture
from vangram.cli.streams import report, tell
from vangram.errors import CheckpointError, OutputError
from vangram.optimize import Level, RunState
from vangram.run import Run
from vangram.run.checkpointer import Checkpointer
from vangram.run.recipe_file import recorded_or_none
from vangram.run.resume import is_picture_of, resumed, unfinished
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe
from vangram.settings.record import Record
from vangram.settings.torchrun import is_launched, restarts


def resumed_by_torchrun(
    recipe: Recipe,
    inputs: Inputs[str],
    output: Output,
    monitoring: Monitoring,
    checkpointer: Checkpointer,
) -> Path | None:
    """Resume the run that this command began under torchrun.

    Args:
        recipe: of the run.
        inputs: paths.
        output: path of the picture.
        monitoring: as of `begin_run`.
        checkpointer: of the run.

    Returns:
        Path of its picture, finished now or before; None where no run was begun.

    Raises:
        CheckpointError: another run was begun.
    """
    if not is_launched():
        return None
    again = restarts() > 0
    begun = again or not output.force
    if begun and (record := unfinished(checkpointer)) is not None:
        memory = record.recipe.memory if recipe.memory is None else recipe.memory
        if record.recipe != recipe.replace(memory=memory):
            anew = f"without {str(checkpointer.path)!r} it starts" if again else "--force starts"
            raise CheckpointError(
                f"{str(output.output)!r} was begun with other settings: `vangram resume"
                f" {quote(str(output.output))}` goes on with those, {anew} anew with the new ones"
            )
        return resume_run(record, inputs, checkpointer, monitoring, force=output.force, again=again)
    if again and not output.force and output.output.exists():
        made = recorded_or_none(output.output)
        if made and made.finished and made.recipe.replace(memory=recipe.memory) == recipe:
            tell("the picture is finished")
            print(output.output)
            return output.output
    return None


def resume_run(
    record: Record,
    inputs: Inputs[str],
    checkpointer: Checkpointer,
    monitoring: Monitoring,
    *,
    force: bool,
    again: bool = False,
) -> Path:
    """Continue a run from its checkpoint; returns the path of its picture.

    Args:
        record: of the checkpoint.
        inputs: paths of its inputs.
        checkpointer: of the run, read.
        monitoring: as of `begin_run`.
        force: overwrite any file at the picture's place, and those beside it.
        again: torchrun has started the same command again. The files beside the picture are this
            run's then, and where another file is at its place, the picture gets another name.

    Raises:
        OutputError: another file is at the picture's place, and neither allows for it.
    """
    output = checkpointer.output
    if not os.path.lexists(output) or is_picture_of(output, record):
        checkpointer.place.accept()
    elif not (force or again):
        raise OutputError(
            f"{str(output)!r} is not this run's picture; move it away, or add --force to overwrite"
            " it"
        )
    check_outputs(output, inputs=inputs, force=True)
    others = (str(output), *inputs)
    beside = monitoring.preview, monitoring.timelapse
    check_outputs(*beside, inputs=others, force=force or again)
    if record.inputs.parameters is None:
        ensure_fetched(record.recipe.network, asked=False)
    prepared = Run.of(inputs, record.recipe)
    now = prepared.record
    run = resumed(prepared, record)
    report(record.differences(now))
    if record.versions != now.versions:
        report(["so the picture may differ from that of a run without the stop"])
    if not monitoring.quiet:
        _tell_place(checkpointer.position, run.levels)
    return make_picture(run, monitoring, checkpointer)


def _tell_place(position: RunState | None, levels: tuple[Level, ...]) -> None:
    """Print the level and step at which the run resumes."""
    if position is None:
        tell("starting again: no step had been saved yet")
    else:
        place = where(levels[position.level - 1], position.level_state.number)
        tell(f"going on at {place}")
