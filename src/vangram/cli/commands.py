"""The commands and their options. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from vangram.cli import options
from vangram.cli.many import batch, sweep
from vangram.cli.networks import ensure_fetched, networks
from vangram.cli.settings import recipe_of, style_layers_of
from vangram.errors import OutputError, RecipeError, SettingError
from vangram.settings.recipe import RECONSTRUCTION, TEXTURE, Recipe, layers_up_to
from vangram.settings.record import numbered
from vangram.settings.text import parse_layers, parse_size
from vangram.settings.toml import write_recipe_file

app = typer.Typer(
    name="vangram",
    help="Repaint a picture in the style of another.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(networks, name="networks")
app.command()(batch)
app.command()(sweep)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"vangram {version('vangram')}")
        raise typer.Exit


@app.callback()
def vangram(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Repaint a picture in the style of another (Gatys, Ecker and Bethge, CVPR 2016)."""


@app.command()
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
    inputs = _by_name(
        photo, paintings, start, parameters, mask, style_mask, keep, before, before_frame, flow
    )
    _make(settings, inputs, output, force, preview, timelapse, quiet, save_recipe)


@app.command()
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
    inputs = {"content": photo, "parameters": parameters}
    _make(settings, inputs, output, force, preview, timelapse, quiet)


@app.command()
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
    inputs = {"parameters": parameters} | numbered("style", paintings)
    _make(settings, inputs, output, force, preview, timelapse, quiet)


def _by_name(
    content: str | None,
    styles: list[str] | None,
    start: str | None,
    parameters: str | None,
    mask: str | None,
    style_masks: list[str] | None,
    keep: str | None,
    before: str | None,
    before_frame: str | None,
    flow: str | None,
) -> dict[str, str | None]:
    """What is given, by the names that a record has for it."""
    return {
        "content": content,
        **numbered("style", styles or ()),
        "start": start,
        "parameters": parameters,
        "mask": mask,
        **numbered("style-mask", style_masks or ()),
        "keep": keep,
        "before": before,
        "before-frame": before_frame,
        "flow": flow,
    }


def _make(
    recipe: Recipe,
    inputs: Mapping[str, str | None],
    output: Path,
    force: bool,
    preview: Path | None,
    timelapse: Path | None,
    quiet: bool,
    save_recipe: Path | None = None,
) -> None:
    """Check all that can be checked before anything is read, then run."""
    _check_timelapse(timelapse)
    _check_unfinished(output, force)
    _check_outputs(output, preview, timelapse, inputs=tuple(inputs.values()), force=force)
    _check_recipe_file(save_recipe, (output, preview, timelapse, *inputs.values()), force)

    from vangram.cli.runner import Watching, carry_out
    from vangram.run import Run

    if inputs["parameters"] is None:
        ensure_fetched(recipe.network)
    run = Run.of(inputs, recipe)
    for note in run.given.notes:
        print(f"vangram: note: {note}", file=sys.stderr)
    if save_recipe is not None:
        write_recipe_file(save_recipe, recipe)
    carry_out(run, output, Watching(preview, timelapse, quiet))


@app.command()
def rerun(
    picture: Annotated[str, typer.Argument(metavar="PICTURE", help="One that vangram made.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Picture to write.  [default: PICTURE-rerun]"),
    ] = None,
    content: options.Content = None,
    style: options.Style = None,
    start: options.Start = None,
    parameters: options.ParametersNow = None,
    mask: options.MaskNow = None,
    style_mask: options.StyleMaskNow = None,
    keep: options.KeepNow = None,
    before: options.BeforeNow = None,
    before_frame: options.BeforeFrameNow = None,
    flow: options.FlowNow = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Make PICTURE again from the recipe that it carries.

    Says so where an input or a version differs. Exit code 1 where nothing differs and the bytes do.
    """
    from vangram.cli.records import find_inputs, recorded, report
    from vangram.cli.rerun import compare
    from vangram.cli.runner import Watching, carry_out
    from vangram.run import Run

    record = recorded(picture)
    target = output or Path(picture).with_stem(f"{Path(picture).stem}-rerun")
    given = _by_name(
        content, style, start, parameters, mask, style_mask, keep, before, before_frame, flow
    )
    inputs = find_inputs(record, picture, given)
    _check_unfinished(target, force)
    _check_outputs(target, inputs=(picture, *inputs.values()), force=force)
    if record.parameters is None:
        ensure_fetched(record.recipe.network)
    run = Run.of(inputs, record.recipe)
    differences = record.differences(run.record)
    report(differences)
    run = replace(run, record=run.record.with_paths_of(record))
    carry_out(run, target, Watching(None, None, quiet))
    compare(picture, target, differences)


@app.command()
def resume(
    output: Annotated[
        Path, typer.Argument(metavar="PICTURE", help="The output of the run that was stopped.")
    ],
    content: options.Content = None,
    style: options.Style = None,
    start: options.Start = None,
    parameters: options.ParametersNow = None,
    mask: options.MaskNow = None,
    style_mask: options.StyleMaskNow = None,
    keep: options.KeepNow = None,
    before: options.BeforeNow = None,
    before_frame: options.BeforeFrameNow = None,
    flow: options.FlowNow = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite an existing preview or timelapse.")
    ] = False,
    preview: options.Preview = None,
    timelapse: options.Timelapse = None,
    quiet: options.Quiet = False,
) -> None:
    """Go on with a run that was stopped, killed or interrupted, from its last checkpoint.

    The picture is the one that the run would have made, to the byte. An input that is not the same
    file is refused; a timelapse begins here.
    """
    from contextlib import closing

    from vangram.cli.checkpoints import Checkpoints
    from vangram.cli.records import find_inputs
    from vangram.cli.resume import continued, tell, unfinished
    from vangram.cli.runner import Watching, carry_out
    from vangram.run import Run

    _check_timelapse(timelapse)
    with closing(Checkpoints(output)) as checkpoints:
        record = unfinished(checkpoints, output)
        given = _by_name(
            content, style, start, parameters, mask, style_mask, keep, before, before_frame, flow
        )
        inputs = find_inputs(record, str(output), given)
        _check_outputs(output, inputs=tuple(inputs.values()), force=True)
        _check_outputs(preview, timelapse, inputs=(str(output), *inputs.values()), force=force)
        if record.parameters is None:
            ensure_fetched(record.recipe.network)
        run = Run.of(inputs, record.recipe)
        run = replace(run, record=continued(record, run.record))
        if not quiet:
            tell(checkpoints.position, run.levels)
        carry_out(run, output, Watching(preview, timelapse, quiet), checkpoints)


@app.command()
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


def _check_timelapse(path: Path | None) -> None:
    if path is not None and path.suffix.lower() != ".webp":
        raise SettingError(f"{str(path)!r} cannot be a timelapse; end its name in .webp")


def _check_recipe_file(
    path: Path | None, others: tuple[str | Path | None, ...], force: bool
) -> None:
    if path is None:
        return
    if path.resolve() in {Path(other).resolve() for other in others if other is not None}:
        raise OutputError(f"{str(path)!r} is a picture of this run; save the recipe elsewhere")
    if path.exists() and not force:
        raise OutputError(f"{str(path)!r} exists already; add --force to overwrite it")


def _check_unfinished(output: Path, force: bool) -> None:
    from vangram.cli.checkpoints import check_unfinished

    check_unfinished(output, force=force)


@app.command()
def explain(
    picture: Annotated[str, typer.Argument(metavar="PICTURE", help="One that vangram made.")],
    content: options.Content = None,
    style: options.Style = None,
    start: options.Start = None,
    parameters: options.ParametersNow = None,
    mask: options.MaskNow = None,
    style_mask: options.StyleMaskNow = None,
    keep: options.KeepNow = None,
    before: options.BeforeNow = None,
    before_frame: options.BeforeFrameNow = None,
    flow: options.FlowNow = None,
) -> None:
    """Take the loss of PICTURE apart: each term, by the paper's formulas and in relative units.

    Prints the options that give the same loss in either units.
    """
    from vangram.cli.explain import report
    from vangram.cli.records import find_inputs, recorded
    from vangram.images import read_picture
    from vangram.reports.explain import explain as taken_apart
    from vangram.run import Run

    record = recorded(picture)
    given = _by_name(
        content, style, start, parameters, mask, style_mask, keep, before, before_frame, flow
    )
    inputs = find_inputs(record, picture, given)
    run = Run.of(inputs, record.recipe)
    for change in record.changes(run.record):
        raise RecipeError(f"{change}; the loss would be another one")
    report(picture, run, taken_apart(run, read_picture(picture).pixels))


@app.command()
def verify(
    network: options.Network = options.DEFAULT.network,
    parameters: options.Parameters = None,
    pooling: options.Pooling = options.DEFAULT.pooling,
    size: Annotated[int, typer.Option(help="Pixels a side of the picture.")] = 320,
    tile: Annotated[int, typer.Option(help="Pixels a side of the tiles.")] = 128,
    units: options.Units = options.DEFAULT.units,
    style_loss: options.StyleLoss = options.DEFAULT.style_loss,
) -> None:
    """Check on this machine that every fast way gives what the slow one gives.

    Exit code 1 where an error is too large.
    """
    recipe = Recipe(
        network=network,
        pooling=pooling,  # type: ignore[arg-type]
        size=size,
        tile=tile,
        units=units,  # type: ignore[arg-type]
        style_loss=style_loss,  # type: ignore[arg-type]
    )

    from vangram.cli.verify import report
    from vangram.networks import load_network
    from vangram.reports.verify import verify as checks

    if parameters is None:
        ensure_fetched(network)
    loaded = load_network(network, layers=recipe.layers, parameters=parameters, pooling=pooling)
    report(checks(loaded, recipe, (size, size * 3 // 4), tile))


def _check_outputs(*outputs: Path | None, inputs: tuple[str | None, ...], force: bool) -> None:
    """Every output can be written, and nothing that is there is lost by it.

    Raises:
        OutputError: it cannot, or would be.
    """
    from vangram.images import check_output

    given = {Path(path).resolve() for path in inputs if path is not None}
    seen: set[Path] = set()
    for path in filter(None, outputs):
        check_output(path)
        if path.resolve() in given:
            raise OutputError(f"{str(path)!r} is one of the pictures given; choose another output")
        if path.resolve() in seen:
            raise OutputError(f"{str(path)!r} is named for two outputs; give each its own name")
        seen.add(path.resolve())
        if path.exists() and not force:
            raise OutputError(f"{str(path)!r} exists already; add --force to overwrite it")
