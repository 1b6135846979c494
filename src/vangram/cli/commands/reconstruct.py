"""`vangram reconstruct`: a photograph from the features of a layer."""

from __future__ import annotations

from typing import Annotated

from vangram.cli.options import Monitoring, Output, Parameters, Photo, Settings, SettingsOf
from vangram.settings.inputs import Inputs
from vangram.settings.kinds import RECONSTRUCT


def reconstruct(
    photo: Photo,
    output: Output,
    settings: Annotated[Settings, SettingsOf(RECONSTRUCT)],
    parameters: Parameters,
    monitoring: Monitoring,
) -> None:
    """Reconstruct PHOTO from the features of a layer: from noise, a picture with equal features.

    Low layers give back nearly the pixels, high layers only the objects and their layout.
    """
    recipe = RECONSTRUCT.base().replace(**settings)

    from vangram.cli.begin import begin_run

    begin_run(recipe, Inputs(content=photo, parameters=parameters), output, monitoring, settings)
