"""`vangram stylize`: a photograph in the style of a painting."""

from __future__ import annotations

from typing import Any

import typer

from vangram.cli import options
from vangram.cli.settings import recipe_of
from vangram.settings.inputs import Inputs


def stylize(
    context: typer.Context,
    photo: options.Photo,
    paintings: options.Paintings,
    output: options.Output,
    size: options.Size = options.DEFAULT.size,
    steps: options.Steps = options.DEFAULT.steps,
    preset: options.Preset = None,
    strength: options.Strength = None,
    recipe: options.RecipeFile = None,
    save_recipe: options.SaveRecipe = None,
    init: options.Init = options.DEFAULT.init,
    seed: options.Seed = options.DEFAULT.seed,
    force: options.Force = False,
    content_weight: options.ContentWeight = options.DEFAULT.content_weight,
    style_weight: options.StyleWeight = options.DEFAULT.style_weight,
    tv_weight: options.TvWeight = options.DEFAULT.tv_weight,
    range_weight: options.RangeWeight = options.DEFAULT.range_weight,
    content_layers: options.Layers = options.CONTENT_LAYERS,
    style_layers: options.StyleLayers = None,
    blend: options.Blend = None,
    style_loss: options.StyleLoss = options.DEFAULT.style_loss,
    units: options.Units = options.DEFAULT.units,
    network: options.Network = options.DEFAULT.network,
    parameters: options.Parameters = None,
    pooling: options.Pooling = options.DEFAULT.pooling,
    normalise: options.Normalise = options.DEFAULT.normalise,
    noise_range: options.NoiseRange = options.DEFAULT.noise_range,
    style_size: options.StyleSize = options.DEFAULT.style_size,
    colour: options.Colour = options.DEFAULT.colour,
    optimizer: options.Optimizer = options.DEFAULT.optimizer,
    tolerance: options.Tolerance = options.DEFAULT.tolerance,
    levels: options.Levels = options.DEFAULT.levels,
    memory: options.Memory = None,
    tile: options.Tile = options.DEFAULT.tile,
    device: options.Device = options.DEFAULT.device,
    precision: options.Precision = options.DEFAULT.precision,
    mask: options.Mask = None,
    style_mask: options.StyleMask = None,
    keep: options.Keep = None,
    before: options.Before = None,
    before_frame: options.BeforeFrame = None,
    flow: options.Flow = None,
    flicker_weight: options.FlickerWeight = options.DEFAULT.flicker_weight,
    preview: options.Preview = None,
    timelapse: options.Timelapse = None,
    quiet: options.Quiet = False,
) -> None:
    """Repaint PHOTO in the style of a PAINTING, or of several at once.

    Ctrl-C keeps the best picture so far, and `vangram resume` goes on with a run that was stopped,
    however it was. The picture carries its recipe: `vangram rerun` makes it again.
    """
    # The context knows which options were given; those alone change a preset or a file.
    more: dict[str, Any] = {} if before is None else {"init": "before"}
    settings, start = recipe_of(context, None, **more)
    inputs = Inputs(
        content=photo,
        styles=tuple(paintings),
        start=start,
        parameters=parameters,
        mask=mask,
        style_masks=tuple(style_mask or ()),
        keep=keep,
        before=before,
        before_frame=before_frame,
        flow=flow,
    )

    from vangram.cli.runner import make

    make(settings, inputs, output, force, preview, timelapse, quiet, save_recipe)
