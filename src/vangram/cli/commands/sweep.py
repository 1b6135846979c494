"""`vangram sweep`: every combination of the values of some of `vangram stylize`'s options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vangram.cli import options
from vangram.cli.downloads import ensure_fetched
from vangram.cli.settings import is_given, recipe_of
from vangram.errors import SettingError
from vangram.reports.figures import Figure
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe

if TYPE_CHECKING:
    from vangram.reports.sweep import Cell

LOOKS = ("preset", "strength", "recipe")
"""What can be varied beside the recipe's settings."""
YES, NO = ("yes", "true", "on", "1"), ("no", "false", "off", "0")
"""Values of an option that is a switch."""


def sweep(
    context: typer.Context,
    photo: options.Photo,
    painting: options.Painted,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Page to write: .html; a .png goes beside it.")
    ],
    vary: Annotated[
        list[str] | None,
        typer.Option(
            help="An option of stylize and its values: style-weight=10,40,150. Values with commas"
            " are parted by semicolons. May be given several times."
        ),
    ] = None,
    size: options.Size = 192,
    steps: options.Steps = options.DEFAULT.steps,
    preset: options.Preset = None,
    strength: options.Strength = None,
    recipe: options.RecipeFile = None,
    init: options.Init = options.DEFAULT.init,
    seed: options.Seed = options.DEFAULT.seed,
    force: options.Force = False,
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
    device: options.Device = options.DEFAULT.device,
    quiet: options.Quiet = False,
) -> None:
    """Make PHOTO in the style of PAINTING with every combination of some options' values.

    The page shows them side by side, each with its command, and needs no network; a picture of all
    goes beside it. Stopped, the same command goes on where it was.
    """
    from vangram.cli.pages import carry_out, check_page
    from vangram.reports.gallery import Gallery
    from vangram.reports.sweep import Varied, sections, write_grid

    sheet = output.with_suffix(".png")
    check_page(output, sheet, force=force)
    varied = [Varied.parse(text) for text in vary or ()]
    grids = sections(varied, _figure_of(context))
    if parameters is None:
        for name in {figure.recipe.network for grid in grids for figure in grid.figures}:
            ensure_fetched(name)
    title = f"A sweep of {Path(photo).name} with {Path(painting).name}"
    gallery = Gallery.prepare(title, "Made by VanGram.", grids, parameters)
    carry_out(
        gallery, output, quiet=quiet, also=lambda folder: write_grid(sheet, varied, gallery, folder)
    )


def _figure_of(context: typer.Context) -> Callable[[Cell, str], Figure]:
    """What makes a figure of a combination: a sweep's own options, and those varied over them.

    Args:
        context: of the sweep.
    """
    program: Any = context.find_root().command
    stylize = program.commands["stylize"]
    allowed = {setting.name for setting in fields(Recipe)} | set(LOOKS)
    known = {p.name: p for p in stylize.params if p.name in allowed}
    base = {name: context.params[name] for name in known if is_given(context, name)}
    base.setdefault("size", context.params["size"])
    photo, painting = context.params["photo"], context.params["painting"]

    def figure(cell: Cell, caption: str) -> Figure:
        options = dict(base)
        for option, value in cell.items():
            name = option.replace("-", "_")
            if name not in known:
                names = ", ".join(sorted(other.replace("_", "-") for other in known))
                raise SettingError(f"{option!r} cannot be varied; what can: {names}")
            options[name] = _switched(option, value) if known[name].is_flag else value
        words = [photo, painting, "-o", "picture.png"]
        for name, value in options.items():
            words += _words(known[name], value)
        try:
            with stylize.make_context("stylize", words) as parsed:
                recipe, start = recipe_of(parsed)
        except typer.BadParameter as error:
            raise SettingError(f"{caption}: {' '.join(error.message.split())}") from None
        return Figure(caption, recipe, Inputs(content=photo, styles=(painting,), start=start))

    return figure


def _switched(option: str, value: str) -> bool:
    if value.lower() not in (*YES, *NO):
        raise SettingError(f"{option} is varied as {option}=no,yes, not {value!r}")
    return value.lower() in YES


def _words(parameter: Any, value: Any) -> list[str]:
    """An option as `vangram stylize` is told it."""
    if parameter.is_flag:
        return [parameter.opts[0]] if value else []
    return [f"{parameter.opts[0]}={value}"]
