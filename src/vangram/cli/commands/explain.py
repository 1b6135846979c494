"""`vangram explain`: a line for each term of a loss, and commands with the same loss."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vangram.cli.options import Made, MovedInputs
from vangram.cli.recorded_inputs import find_inputs, is_film
from vangram.errors import RecipeError
from vangram.settings.command import command_of
from vangram.settings.recipe import Recipe

if TYPE_CHECKING:
    from vangram.reports.explain import Explanation
    from vangram.run import Run


def explain(picture: Made, moved: MovedInputs) -> None:
    """Show each term of the loss of PICTURE, by the paper's formulas and in relative units.

    Prints the commands that have the same loss, in either units.
    """
    from vangram.images import read_picture
    from vangram.reports.explain import explain as explain_run
    from vangram.run import Run
    from vangram.run.recipe_file import recorded

    record = None if is_film(picture) else recorded(picture)
    if record is None or is_film(picture, record):
        raise RecipeError(
            f"{picture!r} is a film, whose frames have a loss each; paint one frame with"
            " `vangram stylize`, and explain that"
        )
    inputs = find_inputs(record, picture, moved)
    run = Run.of(inputs, record.recipe)
    for change in record.changes(run.record):
        raise RecipeError(f"{change}; the loss would be another one")
    _report(picture, run, explain_run(run, read_picture(picture).pixels))


def _report(picture: str, run: Run, explanation: Explanation) -> None:
    """Print the terms, and commands with the same loss."""
    recipe, size = run.recipe, run.levels[-1].size
    typer.echo(
        f"{picture}: {size[1]} x {size[0]} px, {recipe.network}, {recipe.units} units,"
        f" loss {explanation.loss:.5g}"
    )
    typer.echo()
    typer.echo(f"{'term':<16}{'paper':>12}{'target':>12}{'relative':>12}{'weight':>12}{'share':>8}")
    for explained in explanation.terms:
        term = explained.term
        at_zero = "" if explained.at_zero is None else f"{explained.at_zero:.4g}"
        share = term.weighted / explanation.loss if explanation.loss else 0.0
        typer.echo(
            f"{term.key!s:<16}{explained.literal:>12.4g}{at_zero:>12}"
            f"{explained.relative:>12.4g}{term.weight:>12.4g}{share:>7.1%}"
        )
    typer.echo()
    typer.echo("paper: by the literal formula; target: by that formula, for features of zero;")
    typer.echo("relative: the first over the second; weight: α w or β w, in the run's units.")
    if not explanation.same:
        return
    typer.echo()
    typer.echo("The same loss at this size, with these pictures, on one level:")
    for same in explanation.same:
        output = Path(picture).with_stem(f"{Path(picture).stem}-{same.units}")
        record = replace(run.record, recipe=_rounded(same).replace(levels=1))
        typer.echo(f"  {shlex.join(command_of(record, str(output)))}")


def _rounded(recipe: Recipe) -> Recipe:
    """The recipe with as many digits of its layers' weights as matter in float32."""

    def rounded(layers: Mapping[str, float]) -> dict[str, float]:
        return {layer: float(f"{weight:.9g}") for layer, weight in layers.items()}

    return recipe.replace(
        content_layers=rounded(recipe.content_layers),
        style_layers=rounded(recipe.style_layers),
        each_style_layers=tuple(map(rounded, recipe.each_style_layers)),
    )
