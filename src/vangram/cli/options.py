"""Arguments and options that several commands share, each with its one help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vangram.settings.presets import PRESETS
from vangram.settings.recipe import Recipe
from vangram.settings.text import format_layers

DEFAULT = Recipe()
CONTENT_LAYERS = format_layers(DEFAULT.content_layers)
STYLE_LAYERS = format_layers(DEFAULT.style_layers)


def _grouped(panel: str) -> Any:
    """`typer.Option` under a heading of the help."""

    def option(*names: str, help: str) -> Any:
        return typer.Option(*names, help=help, rich_help_panel=panel)

    return option


_look = _grouped("Looks")
_weight = _grouped("Weights")
_method = _grouped("Method")
_region = _grouped("Regions")
_sequence = _grouped("Sequences")
_watching = _grouped("Watching")

Photo = Annotated[str, typer.Argument(metavar="PHOTO", help="Picture that gives the content.")]
Painted = Annotated[str, typer.Argument(metavar="PAINTING", help="Picture that gives the style.")]
Paintings = Annotated[
    list[str], typer.Argument(metavar="PAINTING...", help="Pictures that give the style.")
]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="Picture to write: .png, .jpg, .webp or .tif.")
]
Size = Annotated[int, typer.Option(help="Longer side of the result in pixels.")]
Steps = Annotated[
    int,
    typer.Option(help="Optimiser steps at full size, at most; a quarter at each coarser one."),
]
Tolerance = Annotated[
    float,
    _method(help="Share by which the loss must fall over 20 steps to go on; 0: take all steps."),
]
NoiseRange = Annotated[
    float, _method(help="Range of the noise to start from, around grey: 0 to 1.")
]
Seed = Annotated[int, typer.Option(help="Of the noise to start from.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; errors alone.")]
Init = Annotated[str, typer.Option(help="Start from: content, noise, or a picture's path.")]

Preset = Annotated[str | None, _look(help=f"A recipe by name: {', '.join(PRESETS)}.")]
Strength = Annotated[
    float | None,
    _look(help="How strong the style is: 0.5, 1, 2 are equal steps. Sets the style weight."),
]
RecipeFile = Annotated[
    str | None,
    _look("--recipe", help="A TOML file of settings; options that are given win over it."),
]
SaveRecipe = Annotated[Path | None, _look(help="Write the run's settings to this TOML file.")]

ContentWeight = Annotated[float, _weight(help="How much the photograph counts.")]
StyleWeight = Annotated[float, _weight(help="How much the painting counts.")]
TvWeight = Annotated[float, _weight(help="How much smoothness counts.")]
RangeWeight = Annotated[float, _weight(help="How much it counts to stay within black and white.")]
Layers = Annotated[str, _weight(help="Layers, with weights if need be.")]
StyleLayers = Annotated[
    list[str] | None,
    _weight(
        help="Layers, with weights if need be; several times: once for each painting."
        f"  [default: {STYLE_LAYERS}]"
    ),
]
Blend = Annotated[
    str | None, _weight(help="Share of each painting, as 0.7,0.3.  [default: equal ones]")
]
StyleSize = Annotated[
    float, _method(help="Size of the paintings over the result's: 2 for strokes of twice the size.")
]
StyleLoss = Annotated[
    str,
    _weight(help="What is style: gram, the paper's; gram+moments: keeps contrast; wasserstein."),
]
Before = Annotated[
    str | None, _sequence(help="The result of the frame before; with --before-frame.")
]
BeforeFrame = Annotated[str | None, _sequence(help="The frame before.")]
Flow = Annotated[
    str | None,
    _sequence(help="A .flo file, from this frame to the one before.  [default: found by OpenCV]"),
]
FlickerWeight = Annotated[float, _sequence(help="How much it counts not to flicker.")]
Mask = Annotated[
    str | None,
    _region(help="Picture whose colours name regions of the photograph, each with its painting."),
]
StyleMask = Annotated[
    list[str] | None,
    _region(help="Picture that names the same regions in a painting; once for each painting."),
]
Keep = Annotated[
    str | None, _region(help="Picture that is white where the photograph is to stay as it is.")
]
Units = Annotated[
    str,
    _weight(help="relative: each term over what its target weighs; paper: the literal formulas."),
]

Network = Annotated[str, _method(help="Whose features are compared: see `vangram networks`.")]
Parameters = Annotated[
    str | None, _method(help="A .pth or .safetensors file of the network's parameters.")
]
Pooling = Annotated[str, _method(help="max or average, between the network's blocks.")]
Normalise = Annotated[
    bool, _method("--normalise", help="Give each of the network's channels a mean activation of 1.")
]
Colour = Annotated[
    str,
    _method(help="style: the painting's; the photograph's by luminance, match or histogram."),
]
Optimizer = Annotated[str, _method(help="lbfgs or adam.")]
Levels = Annotated[
    int | None,
    _method(help="Sizes on the way, each twice the last.  [default: as many as make sense]"),
]
Memory = Annotated[
    str | None,
    _method(help="What the run may take, as 4GB.  [default: a safe part of what is free]"),
]
Tile = Annotated[
    int | None,
    _method(help="Pixels a side of the tiles to work in.  [default: as the memory suffices]"),
]
Device = Annotated[str, _method(help="auto, cpu, cuda, ...")]
Precision = Annotated[str, _method(help="float32; tf32: faster on a GPU, to two digits.")]

Preview = Annotated[
    Path | None, _watching(help="Write the picture here as it grows, every few seconds.")
]
Timelapse = Annotated[
    Path | None, _watching(help="Write an animated .webp of how the picture came about.")
]

Content = Annotated[str | None, typer.Option(help="Where the photograph is now.")]
Style = Annotated[
    list[str] | None,
    typer.Option(help="Where the painting is now; several times for several paintings."),
]
Start = Annotated[str | None, typer.Option(help="Where the first picture is now.")]
MaskNow = Annotated[str | None, typer.Option("--mask", help="Where the mask is now.")]
StyleMaskNow = Annotated[
    list[str] | None, typer.Option("--style-mask", help="Where a painting's mask is now.")
]
KeepNow = Annotated[str | None, typer.Option("--keep", help="Where the mask to keep is now.")]
BeforeNow = Annotated[str | None, typer.Option("--before", help="Where that result is now.")]
BeforeFrameNow = Annotated[
    str | None, typer.Option("--before-frame", help="Where that frame is now.")
]
FlowNow = Annotated[str | None, typer.Option("--flow", help="Where the flow is now.")]
ParametersNow = Annotated[
    str | None, typer.Option("--parameters", help="Where the network's file is now.")
]
