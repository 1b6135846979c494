"""`vangram reconstruct`: what a layer knows of a photograph."""

from __future__ import annotations

from typing import Annotated

import typer

from vangram.cli import options
from vangram.cli.settings import recipe_of
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import RECONSTRUCTION, Recipe
from vangram.settings.text import parse_layers


def reconstruct(
    context: typer.Context,
    photo: options.Photo,
    output: options.Output,
    layer: Annotated[
        str, typer.Option(help="Layer to go by, or several, with weights if need be.")
    ] = options.CONTENT_LAYERS,
    size: options.Size = options.DEFAULT.size,
    steps: options.Steps = options.DEFAULT.steps,
    seed: options.Seed = options.DEFAULT.seed,
    force: options.Force = False,
    tv_weight: options.TvWeight = RECONSTRUCTION["tv_weight"],
    range_weight: options.RangeWeight = options.DEFAULT.range_weight,
    units: options.Units = options.DEFAULT.units,
    network: options.Network = options.DEFAULT.network,
    parameters: options.Parameters = None,
    pooling: options.Pooling = options.DEFAULT.pooling,
    normalise: options.Normalise = options.DEFAULT.normalise,
    noise_range: options.NoiseRange = RECONSTRUCTION["noise_range"],
    optimizer: options.Optimizer = options.DEFAULT.optimizer,
    tolerance: options.Tolerance = options.DEFAULT.tolerance,
    levels: options.Levels = RECONSTRUCTION["levels"],
    memory: options.Memory = None,
    tile: options.Tile = options.DEFAULT.tile,
    device: options.Device = options.DEFAULT.device,
    precision: options.Precision = options.DEFAULT.precision,
    preview: options.Preview = None,
    timelapse: options.Timelapse = None,
    quiet: options.Quiet = False,
) -> None:
    """Show what a layer knows of PHOTO: from noise, a picture with the same features there.

    Low layers give back nearly the pixels, high ones what is where.
    """
    base = Recipe(**RECONSTRUCTION)
    settings, _ = recipe_of(context, base, content_layers=parse_layers(layer))
    inputs = Inputs(content=photo, parameters=parameters)

    from vangram.cli.runner import make

    make(settings, inputs, output, force, preview, timelapse, quiet)
