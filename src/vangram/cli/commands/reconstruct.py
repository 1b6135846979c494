"""`vangram reconstruct`: what a layer knows of a photograph."""

from __future__ import annotations

from typing import Annotated

from vangram.cli.options import Output, Parameters, Photo, Settings, SettingsOf, Watching
from vangram.settings.inputs import Inputs
from vangram.settings.kinds import RECONSTRUCT


def reconstruct(
    photo: Photo,
    output: Output,
    settings: Annotated[Settings, SettingsOf(RECONSTRUCT)],
    parameters: Parameters,
    watching: Watching,
) -> None:
    """Show what a layer knows of PHOTO: from noise, a picture with the same features there.

    Low layers give back nearly the pixels, high ones what is where.
    """
    recipe = RECONSTRUCT.base().replace(**settings)

    from vangram.cli.runner import make

    make(recipe, Inputs(content=photo, parameters=parameters), output, watching)
