"""`vangram stylize`: a photograph in the style of a painting."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from vangram.cli.options import (
    OTHER_INPUTS,
    BaseRecipe,
    Monitoring,
    Output,
    Paintings,
    Parameters,
    Photo,
    SaveRecipe,
    Settings,
    SettingsOf,
)
from vangram.cli.settings import recipe_of
from vangram.errors import SettingError
from vangram.settings.inputs import Inputs
from vangram.settings.kinds import STYLIZE


def stylize(
    photo: Photo,
    paintings: Paintings,
    output: Output,
    base: BaseRecipe,
    save_recipe: SaveRecipe,
    settings: Annotated[Settings, SettingsOf(STYLIZE)],
    parameters: Parameters,
    others: Annotated[Inputs[str], OTHER_INPUTS],
    monitoring: Monitoring,
) -> None:
    """Repaint PHOTO in the style of a PAINTING, or of several at once.

    Ctrl-C saves the picture so far, and `vangram resume` continues a run that was stopped by any
    cause. The picture carries its recipe: `vangram rerun` makes it again.
    """
    changes = dict(settings)
    if others.before is not None:
        if "init" in settings:
            raise SettingError("--before sets the first image; give it or --init, not both")
        changes["init"] = "before"
    recipe, start = recipe_of(changes, base)
    inputs = replace(
        others, content=photo, styles=tuple(paintings), start=start, parameters=parameters
    )

    from vangram.cli.begin import begin_run

    begin_run(recipe, inputs, output, monitoring, settings, save_recipe)
