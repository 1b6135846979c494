"""`vangram stylize`: a photograph in the style of a painting."""

from __future__ import annotations

from typing import Annotated

from vangram.cli.options import (
    Guides,
    Look,
    Output,
    Paintings,
    Parameters,
    Photo,
    SaveRecipe,
    Settings,
    SettingsOf,
    Watching,
    inputs_of,
)
from vangram.cli.settings import recipe_of
from vangram.settings.kinds import STYLIZE


def stylize(
    photo: Photo,
    paintings: Paintings,
    output: Output,
    look: Look,
    save_recipe: SaveRecipe,
    settings: Annotated[Settings, SettingsOf(STYLIZE)],
    parameters: Parameters,
    guides: Guides,
    watching: Watching,
) -> None:
    """Repaint PHOTO in the style of a PAINTING, or of several at once.

    Ctrl-C keeps the best picture so far, and `vangram resume` goes on with a run that was stopped,
    however it was. The picture carries its recipe: `vangram rerun` makes it again.
    """
    if guides.before is not None:
        settings = {**settings, "init": "before"}
    recipe, start = recipe_of(settings, look)
    inputs = inputs_of(
        guides, content=photo, styles=tuple(paintings), start=start, parameters=parameters
    )

    from vangram.cli.runner import make

    make(recipe, inputs, output, watching, save_recipe)
