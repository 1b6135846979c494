"""`vangram texture`: a texture of any size from a painting."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from vangram.cli.options import Monitoring, Output, Paintings, Parameters, Settings, SettingsOf
from vangram.settings.inputs import Inputs
from vangram.settings.keywords import recipe_from
from vangram.settings.kinds import SYNTHESIZE
from vangram.settings.text import parse_size

Size = Annotated[
    str | None,
    typer.Option(
        help="Longer side in pixels, or width and height, as 1024x768.",
        metavar="SIZE",
        show_default=str(SYNTHESIZE.base().size),
        rich_help_panel="Picture",
    ),
]
UpTo = Annotated[
    str | None,
    typer.Option(
        help="relu1_1 to this one: relu3_1 is relu1_1,relu2_1,relu3_1.", rich_help_panel="Weights"
    ),
]


def texture(
    paintings: Paintings,
    output: Output,
    size: Size,
    settings: Annotated[Settings, SettingsOf(SYNTHESIZE, without=("size",))],
    up_to: UpTo,
    parameters: Parameters,
    monitoring: Monitoring,
) -> None:
    """Make a texture of any size: from noise, a picture with a PAINTING's Gram matrices."""
    changes: dict[str, Any] = dict(settings)
    if size is not None:
        changes["size"], changes["proportions"] = parse_size(size)
    recipe = recipe_from(SYNTHESIZE, changes | {"up_to": up_to})

    from vangram.cli.begin import begin_run

    begin_run(
        recipe, Inputs(styles=tuple(paintings), parameters=parameters), output, monitoring, settings
    )
