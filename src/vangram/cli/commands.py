"""The commands and their options. Nothing heavy is imported before a command runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vangram.cli.networks import networks
from vangram.errors import OutputError, SettingError
from vangram.recipe import Recipe, format_layers, parse_layers, parse_memory

app = typer.Typer(
    name="vangram",
    help="Repaint a picture in the style of another.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(networks, name="networks")

DEFAULT = Recipe()

Output = Annotated[
    Path, typer.Option("--output", "-o", help="Picture to write: .png, .jpg, .webp or .tif.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; errors alone.")]
Content = Annotated[str | None, typer.Option(help="Where the photograph is now.")]
Style = Annotated[str | None, typer.Option(help="Where the painting is now.")]
Start = Annotated[str | None, typer.Option(help="Where the first picture is now.")]
_WEIGHTS = "Weights"
_METHOD = "Method"
_WATCHING = "Watching"

Preview = Annotated[
    Path | None,
    typer.Option(
        help="Write the picture here as it grows, every few seconds.", rich_help_panel=_WATCHING
    ),
]
Timelapse = Annotated[
    Path | None,
    typer.Option(
        help="Write an animated .webp of how the picture came about.", rich_help_panel=_WATCHING
    ),
]


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
    photo: Annotated[str, typer.Argument(metavar="PHOTO", help="Picture that gives the content.")],
    painting: Annotated[
        str, typer.Argument(metavar="PAINTING", help="Picture that gives the style.")
    ],
    output: Output,
    size: Annotated[int, typer.Option(help="Longer side of the result in pixels.")] = DEFAULT.size,
    steps: Annotated[
        int, typer.Option(help="Optimiser steps at full size; a quarter at each coarser one.")
    ] = DEFAULT.steps,
    init: Annotated[
        str, typer.Option(help="Start from: content, noise, or a picture's path.")
    ] = DEFAULT.init,
    seed: Annotated[int, typer.Option(help="Of the noise to start from.")] = DEFAULT.seed,
    force: Force = False,
    content_weight: Annotated[
        float, typer.Option(help="How much the photograph counts.", rich_help_panel=_WEIGHTS)
    ] = DEFAULT.content_weight,
    style_weight: Annotated[
        float, typer.Option(help="How much the painting counts.", rich_help_panel=_WEIGHTS)
    ] = DEFAULT.style_weight,
    tv_weight: Annotated[
        float, typer.Option(help="How much smoothness counts.", rich_help_panel=_WEIGHTS)
    ] = DEFAULT.tv_weight,
    content_layers: Annotated[
        str, typer.Option(help="Layers, with weights if need be.", rich_help_panel=_WEIGHTS)
    ] = format_layers(DEFAULT.content_layers),
    style_layers: Annotated[
        str, typer.Option(help="Layers, with weights if need be.", rich_help_panel=_WEIGHTS)
    ] = format_layers(DEFAULT.style_layers),
    units: Annotated[
        str,
        typer.Option(
            help="relative: each term over what its target weighs; paper: the literal formulas.",
            rich_help_panel=_WEIGHTS,
        ),
    ] = DEFAULT.units,
    network: Annotated[
        str, typer.Option(help="Whose features are compared.", rich_help_panel=_METHOD)
    ] = DEFAULT.network,
    optimizer: Annotated[
        str, typer.Option(help="lbfgs or adam.", rich_help_panel=_METHOD)
    ] = DEFAULT.optimizer,
    levels: Annotated[
        int | None,
        typer.Option(
            help="Sizes on the way, each twice the last.  [default: as many as make sense]",
            rich_help_panel=_METHOD,
        ),
    ] = DEFAULT.levels,
    memory: Annotated[
        str | None,
        typer.Option(
            help="What the run may take, as 4GB.  [default: a safe part of what is free]",
            rich_help_panel=_METHOD,
        ),
    ] = None,
    tile: Annotated[
        int | None,
        typer.Option(
            help="Pixels a side of the tiles to work in.  [default: as the memory suffices]",
            rich_help_panel=_METHOD,
        ),
    ] = DEFAULT.tile,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, ...", rich_help_panel=_METHOD)
    ] = DEFAULT.device,
    precision: Annotated[
        str,
        typer.Option(
            help="float32; tf32: faster on a GPU, to two digits.", rich_help_panel=_METHOD
        ),
    ] = DEFAULT.precision,
    preview: Preview = None,
    timelapse: Timelapse = None,
    quiet: Quiet = False,
) -> None:
    """Repaint PHOTO in the style of PAINTING.

    Ctrl-C keeps the best picture so far, and `vangram resume` goes on with a run that was stopped,
    however it was. The picture carries its recipe: `vangram rerun` makes it again.
    """
    start = None if init in ("content", "noise") else init
    recipe = Recipe(
        size=size,
        steps=steps,
        init="picture" if start is not None else init,  # type: ignore[arg-type]
        seed=seed,
        content_weight=content_weight,
        style_weight=style_weight,
        tv_weight=tv_weight,
        content_layers=parse_layers(content_layers),
        style_layers=parse_layers(style_layers),
        units=units,  # type: ignore[arg-type]
        network=network,
        optimizer=optimizer,  # type: ignore[arg-type]
        levels=levels,
        memory=None if memory is None else parse_memory(memory),
        tile=tile,
        device=device,
        precision=precision,  # type: ignore[arg-type]
    )
    _check_timelapse(timelapse)
    _check_unfinished(output, force)
    _check_outputs(output, preview, timelapse, inputs=(photo, painting, start), force=force)

    from vangram.cli.run import Watching, carry_out
    from vangram.stylize import StyleTransfer

    transfer = StyleTransfer.prepare(photo, painting, start=start, recipe=recipe)
    carry_out(transfer, output, Watching(preview, timelapse, quiet))


@app.command()
def rerun(
    picture: Annotated[str, typer.Argument(metavar="PICTURE", help="One that vangram made.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Picture to write.  [default: PICTURE-rerun]"),
    ] = None,
    content: Content = None,
    style: Style = None,
    start: Start = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Make PICTURE again from the recipe that it carries.

    Says so where an input or a version differs. Exit code 1 where nothing differs and the bytes do.
    """
    from vangram.cli.again import find_inputs, recorded, report
    from vangram.cli.rerun import compare
    from vangram.cli.run import Watching, carry_out
    from vangram.stylize import StyleTransfer

    record = recorded(picture)
    target = output or Path(picture).with_stem(f"{Path(picture).stem}-rerun")
    inputs = find_inputs(record, picture, {"content": content, "style": style, "start": start})
    _check_unfinished(target, force)
    _check_outputs(target, inputs=(picture, *inputs.values()), force=force)
    transfer = StyleTransfer.prepare(**inputs, recipe=record.recipe)
    differences = record.differences(transfer.record)
    report(differences)
    transfer = replace(transfer, record=transfer.record.with_paths_of(record))
    carry_out(transfer, target, Watching(None, None, quiet))
    compare(picture, target, differences)


@app.command()
def resume(
    output: Annotated[
        Path, typer.Argument(metavar="PICTURE", help="The output of the run that was stopped.")
    ],
    content: Content = None,
    style: Style = None,
    start: Start = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite an existing preview or timelapse.")
    ] = False,
    preview: Preview = None,
    timelapse: Timelapse = None,
    quiet: Quiet = False,
) -> None:
    """Go on with a run that was stopped, killed or interrupted, from its last checkpoint.

    The picture is the one that the run would have made, to the byte. An input that is not the same
    file is refused; a timelapse begins here.
    """
    from contextlib import closing

    from vangram.cli.again import find_inputs
    from vangram.cli.checkpoints import Checkpoints
    from vangram.cli.resume import continued, tell, unfinished
    from vangram.cli.run import Watching, carry_out
    from vangram.stylize import StyleTransfer

    _check_timelapse(timelapse)
    with closing(Checkpoints(output)) as checkpoints:
        record = unfinished(checkpoints, output)
        given = {"content": content, "style": style, "start": start}
        inputs = find_inputs(record, str(output), given)
        _check_outputs(output, inputs=tuple(inputs.values()), force=True)
        _check_outputs(preview, timelapse, inputs=(str(output), *inputs.values()), force=force)
        transfer = StyleTransfer.prepare(**inputs, recipe=record.recipe)
        transfer = replace(transfer, record=continued(record, transfer.record))
        if not quiet:
            tell(checkpoints.position, transfer.levels)
        carry_out(transfer, output, Watching(preview, timelapse, quiet), checkpoints)


def _check_timelapse(path: Path | None) -> None:
    if path is not None and path.suffix.lower() != ".webp":
        raise SettingError(f"{str(path)!r} cannot be a timelapse; end its name in .webp")


def _check_unfinished(output: Path, force: bool) -> None:
    from vangram.cli.checkpoints import check_unfinished

    check_unfinished(output, force=force)


@app.command()
def verify(
    network: Annotated[str, typer.Option(help="Whose gradients.")] = DEFAULT.network,
    size: Annotated[int, typer.Option(help="Pixels a side of the picture.")] = 320,
    tile: Annotated[int, typer.Option(help="Pixels a side of the tiles.")] = 128,
    units: Annotated[str, typer.Option(help="relative or paper.")] = DEFAULT.units,
) -> None:
    """Check on this machine that every fast way gives what the slow one gives.

    Exit code 1 where an error is too large.
    """
    recipe = Recipe(network=network, size=size, tile=tile, units=units)  # type: ignore[arg-type]

    from vangram.cli.verify import report
    from vangram.networks import load_network
    from vangram.verify import verify as checks

    report(checks(load_network(network), recipe, (size, size * 3 // 4), tile))


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
