"""`vangram batch`: each of many photographs in the style of every painting."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vangram.cli import options
from vangram.cli.downloads import ensure_fetched
from vangram.cli.settings import recipe_of
from vangram.errors import SettingError

FORMATS = ("png", "jpg", "webp", "tif")


def batch(
    context: typer.Context,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the pictures; made if need be.")
    ],
    photos: Annotated[
        str | None,
        typer.Argument(
            metavar="PHOTOS", help="A folder, a picture, or a quoted pattern: 'holiday/*.jpg'."
        ),
    ] = None,
    paintings: Annotated[
        list[str] | None,
        typer.Argument(metavar="PAINTING...", help="Pictures that give the styles."),
    ] = None,
    photo: Annotated[
        list[str] | None, typer.Option("--photo", help="One more photograph, or folder of them.")
    ] = None,
    pairs: Annotated[
        str | None,
        typer.Option(help="Instead of both: a CSV file with columns photo,painting[,output]."),
    ] = None,
    format: Annotated[str, typer.Option(help=f"Of the pictures: {', '.join(FORMATS)}.")] = FORMATS[
        0
    ],
    size: options.Size = options.DEFAULT.size,
    steps: options.Steps = options.DEFAULT.steps,
    preset: options.Preset = None,
    strength: options.Strength = None,
    recipe: options.RecipeFile = None,
    seed: options.Seed = options.DEFAULT.seed,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite files that no batch has made.")
    ] = False,
    content_weight: options.ContentWeight = options.DEFAULT.content_weight,
    style_weight: options.StyleWeight = options.DEFAULT.style_weight,
    tv_weight: options.TvWeight = options.DEFAULT.tv_weight,
    content_layers: options.Layers = options.CONTENT_LAYERS,
    style_layers: options.Layers = options.STYLE_LAYERS,
    style_size: options.StyleSize = options.DEFAULT.style_size,
    style_loss: options.StyleLoss = options.DEFAULT.style_loss,
    network: options.Network = options.DEFAULT.network,
    parameters: options.Parameters = None,
    pooling: options.Pooling = options.DEFAULT.pooling,
    normalise: options.Normalise = options.DEFAULT.normalise,
    colour: options.Colour = options.DEFAULT.colour,
    optimizer: options.Optimizer = options.DEFAULT.optimizer,
    tolerance: options.Tolerance = options.DEFAULT.tolerance,
    memory: options.Memory = None,
    tile: options.Tile = options.DEFAULT.tile,
    device: options.Device = options.DEFAULT.device,
    precision: options.Precision = options.DEFAULT.precision,
    sequence: Annotated[
        bool,
        typer.Option(
            "--sequence",
            help="PHOTOS are the frames of a film, or an animated file.",
            rich_help_panel="Sequences",
        ),
    ] = False,
    flow: Annotated[
        Path | None,
        typer.Option(
            help="Folder of .flo files, named like the frames, each from its frame to the one"
            " before.  [default: found by OpenCV]",
            rich_help_panel="Sequences",
        ),
    ] = None,
    flicker_weight: options.FlickerWeight = options.DEFAULT.flicker_weight,
    quiet: options.Quiet = False,
) -> None:
    """Repaint each of PHOTOS in the style of every PAINTING.

    Stopped, the same command makes what is missing; what cannot be made is told and skipped (exit
    code 3). OUTPUT/batch.json lists the pictures. Settings that are no option here go in --recipe.
    """
    from vangram.batch import Batch, crossed, frames_of, in_order, photographs, read_pairs
    from vangram.cli.batch_runner import carry_out

    settings, _ = recipe_of(context)
    if format not in FORMATS:
        raise SettingError(f"format needs one of {', '.join(FORMATS)}, not {format!r}")
    given = [*([photos] if photos else []), *(photo or [])]
    if pairs is not None:
        if given or paintings:
            raise SettingError("--pairs names photographs and paintings; give no others")
        found = read_pairs(pairs, format)
    elif given and paintings:
        frames = photographs(given)
        if sequence:
            frames = frames_of(frames[0], output / "frames") if len(frames) == 1 else frames
            frames = in_order(frames)
        found = crossed(frames, paintings, format)
    else:
        raise SettingError("a batch needs photographs and paintings, or --pairs")
    if parameters is None:
        ensure_fetched(settings.network)
    prepared = Batch.prepare(
        output, found, settings, parameters, force=force, sequence=sequence, flows=flow
    )
    carry_out(prepared, quiet=quiet)
