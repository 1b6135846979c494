"""`vangram texture`: a texture of any size from a painting."""

from __future__ import annotations

from typing import Annotated

import typer

from vangram.cli import options
from vangram.cli.settings import recipe_of, style_layers_of
from vangram.errors import SettingError
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import TEXTURE, Recipe, layers_up_to
from vangram.settings.text import parse_size


def texture(
    context: typer.Context,
    paintings: options.Paintings,
    output: options.Output,
    size: Annotated[
        str,
        typer.Option(help="Longer side in pixels, or width and height, as 1024x768."),
    ] = str(options.DEFAULT.size),
    steps: options.Steps = options.DEFAULT.steps,
    seed: options.Seed = options.DEFAULT.seed,
    force: options.Force = False,
    layers: options.StyleLayers = None,
    up_to: Annotated[
        str | None, typer.Option(help="relu1_1 to this one: relu3_1 is relu1_1,relu2_1,relu3_1.")
    ] = None,
    blend: options.Blend = None,
    style_loss: options.StyleLoss = options.DEFAULT.style_loss,
    tv_weight: options.TvWeight = options.DEFAULT.tv_weight,
    range_weight: options.RangeWeight = options.DEFAULT.range_weight,
    units: options.Units = options.DEFAULT.units,
    network: options.Network = options.DEFAULT.network,
    parameters: options.Parameters = None,
    pooling: options.Pooling = options.DEFAULT.pooling,
    normalise: options.Normalise = options.DEFAULT.normalise,
    noise_range: options.NoiseRange = options.DEFAULT.noise_range,
    style_size: options.StyleSize = options.DEFAULT.style_size,
    optimizer: options.Optimizer = options.DEFAULT.optimizer,
    tolerance: options.Tolerance = options.DEFAULT.tolerance,
    levels: options.Levels = options.DEFAULT.levels,
    memory: options.Memory = None,
    tile: options.Tile = options.DEFAULT.tile,
    device: options.Device = options.DEFAULT.device,
    precision: options.Precision = options.DEFAULT.precision,
    preview: options.Preview = None,
    timelapse: options.Timelapse = None,
    quiet: options.Quiet = False,
) -> None:
    """Make a texture of any size: from noise, a picture with a PAINTING's Gram matrices."""
    if layers is not None and up_to is not None:
        raise SettingError("--layers and --up-to say the same twice; give one of them")
    longer, proportions = parse_size(size)
    chosen = {"style_layers": layers_up_to(up_to)} if up_to else style_layers_of(layers)
    settings, _ = recipe_of(
        context, Recipe(**TEXTURE), size=longer, proportions=proportions, **chosen
    )
    inputs = Inputs(styles=tuple(paintings), parameters=parameters)

    from vangram.cli.runner import make

    make(settings, inputs, output, force, preview, timelapse, quiet)
