"""A run begun: its outputs are checked before any input is read."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from vangram.cli.downloads import ensure_fetched
from vangram.cli.options import Monitoring, Output
from vangram.cli.outputs import check_outputs, check_recipe_file, check_timelapse
from vangram.cli.resume_runner import resumed_by_torchrun
from vangram.cli.runner import make_picture
from vangram.cli.streams import report, warn
from vangram.run import Run
from vangram.run.checkpointer import Checkpointer
from vangram.run.resume import check_unfinished
from vangram.settings.inputs import Inputs
from vangram.settings.kinds import without_effect
from vangram.settings.recipe import Recipe
from vangram.settings.toml import write_recipe_file


def begin_run(
    recipe: Recipe,
    inputs: Inputs[str],
    output: Output,
    monitoring: Monitoring,
    given: Collection[str],
    save_recipe: Path | None = None,
) -> None:
    """Check the outputs, which is possible before any input is read, then run.

    Args:
        recipe: of the run.
        inputs: paths.
        output: path of the picture.
        monitoring: preview, timelapse, and whether there is progress.
        given: names of the settings that options gave; those without an effect are reported.
        save_recipe: file that the recipe is written to.
    """
    check_timelapse(monitoring.timelapse)
    with closing(Checkpointer(output.output, warn, force=output.force)) as checkpointer:
        if resumed_by_torchrun(recipe, inputs, output, monitoring, checkpointer):
            return
        check_unfinished(output.output, force=output.force)
        written = output.output, monitoring.preview, monitoring.timelapse
        check_outputs(*written, inputs=inputs, force=output.force)
        check_recipe_file(save_recipe, (*written, *inputs), output.force)

        if inputs.parameters is None:
            ensure_fetched(recipe.network, asked="network" in given)
        run = Run.of(inputs, recipe)
        run = replace(run, record=replace(run.record, keep_metadata=output.keep_metadata))
        report([*without_effect(given, recipe, inputs), *run.inputs.notes])
        if save_recipe is not None:
            write_recipe_file(save_recipe, recipe)
        make_picture(run, monitoring, checkpointer)
