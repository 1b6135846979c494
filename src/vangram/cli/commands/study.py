"""`vangram study`: the paper's figures for any photograph and paintings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vangram.cli import options
from vangram.cli.downloads import ensure_fetched
from vangram.settings.recipe import Recipe


def study(
    photo: options.Photo,
    paintings: Annotated[
        list[str], typer.Argument(metavar="PAINTING...", help="Pictures that give the styles.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Page to write: .html.")],
    size: options.Size = 192,
    steps: options.Steps = 100,
    seed: options.Seed = options.DEFAULT.seed,
    force: options.Force = False,
    network: options.Network = options.DEFAULT.network,
    parameters: options.Parameters = None,
    pooling: options.Pooling = options.DEFAULT.pooling,
    normalise: options.Normalise = options.DEFAULT.normalise,
    device: options.Device = options.DEFAULT.device,
    quiet: options.Quiet = False,
) -> None:
    """Make the paper's figures anew with PHOTO and PAINTINGs, as one page to read offline.

    Stopped, the same command goes on where it was.
    """
    recipe = Recipe(
        size=size,
        steps=steps,
        seed=seed,
        network=network,
        pooling=pooling,  # type: ignore[arg-type]
        normalise=normalise,
        device=device,
    )

    from vangram.cli.pages import carry_out, check_page
    from vangram.reports.study import prepare

    check_page(output, force=force)
    if parameters is None:
        ensure_fetched(network)
    carry_out(prepare(photo, paintings, recipe, parameters), output, quiet=quiet)
