"""`vangram rerun`: a picture made again from the recipe that it carries."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vangram.cli import options
from vangram.cli.downloads import ensure_fetched
from vangram.cli.inputs import find_inputs
from vangram.settings.inputs import Inputs


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
    from vangram.cli.outputs import check_outputs
    from vangram.cli.records import recorded, report
    from vangram.cli.runner import Watching, carry_out
    from vangram.run import Run
    from vangram.run.checkpoints import check_unfinished

    record = recorded(picture)
    target = output or Path(picture).with_stem(f"{Path(picture).stem}-rerun")
    given = Inputs(
        content=content,
        styles=tuple(style or ()),
        start=start,
        parameters=parameters,
        mask=mask,
        style_masks=tuple(style_mask or ()),
        keep=keep,
        before=before,
        before_frame=before_frame,
        flow=flow,
    )
    inputs = find_inputs(record, picture, given)
    check_unfinished(target, force=force)
    check_outputs(target, inputs=(picture, *inputs), force=force)
    if record.inputs.parameters is None:
        ensure_fetched(record.recipe.network)
    run = Run.of(inputs, record.recipe)
    differences = record.differences(run.record)
    report(differences)
    run = replace(run, record=run.record.with_paths_of(record))
    carry_out(run, target, Watching(None, None, quiet))
    _compare(picture, target, differences)


def _compare(picture: str, again: Path, differences: list[str]) -> None:
    """Say whether the same bytes came out; exit code 1 where they should have and did not."""
    if Path(picture).suffix.lower() != again.suffix.lower():
        return
    if Path(picture).read_bytes() == again.read_bytes():
        print(f"vangram: the same bytes as {picture}", file=sys.stderr)
        return
    why = "as the notes above let expect" if differences else "although nothing seems to differ"
    print(f"vangram: not the same bytes as {picture}, {why}", file=sys.stderr)
    if not differences:
        raise typer.Exit(1)
