"""`vangram rerun`: a picture made again from the recipe that it carries."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vangram.cli.downloads import ensure_fetched
from vangram.cli.options import Force, Made, Monitoring, MovedInputs, Output, Quiet
from vangram.cli.recorded_inputs import find_inputs
from vangram.cli.streams import report, tell, warn
from vangram.errors import PictureError
from vangram.settings.inputs import Inputs
from vangram.settings.record import Record

Again = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Picture to write.", show_default="PICTURE-rerun"),
]


def rerun(picture: Made, output: Again, moved: MovedInputs, force: Force, quiet: Quiet) -> None:
    """Make PICTURE again from the recipe that it carries.

    Reports inputs and versions that differ. Exit code 1 where none does and the pixels differ.
    """
    from vangram.cli.outputs import check_outputs
    from vangram.cli.resume_runner import resumed_by_torchrun
    from vangram.cli.runner import make_picture
    from vangram.film.output import record_in
    from vangram.run import Run
    from vangram.run.checkpointer import Checkpointer
    from vangram.run.resume import check_unfinished

    record = record_in(picture)
    if record.film is not None:
        _rerun_film(record, picture, output, moved, force=force, quiet=quiet)
        return
    if os.path.isdir(picture):
        raise PictureError(f"{picture!r} is a folder, and its pictures no film; name one of them")
    target = output or Path(picture).with_stem(f"{Path(picture).stem}-rerun")
    inputs = find_inputs(record, picture, moved)
    place, monitoring = Output(target, force), Monitoring(quiet=quiet)
    with closing(Checkpointer(target, warn, force=force)) as checkpointer:
        again = resumed_by_torchrun(record.recipe, inputs, place, monitoring, checkpointer)
        if again is not None:
            differences = record.differences(record_in(str(again)))
        else:
            check_unfinished(target, force=force)
            check_outputs(target, inputs=(picture, *inputs), force=force)
            if record.inputs.parameters is None:
                ensure_fetched(record.recipe.network, asked=False)
            run = Run.of(inputs, record.recipe)
            differences = record.differences(run.record)
            report(differences)
            run = replace(run, record=run.record.with_paths_of(record))
            again = make_picture(run, monitoring, checkpointer)
    _compare(picture, again, differences)


def _rerun_film(
    record: Record,
    film: str,
    output: Path | None,
    moved: Inputs[str],
    *,
    force: bool,
    quiet: bool,
) -> None:
    """Make a film again."""
    from vangram.cli.film_runner import make_film
    from vangram.cli.outputs import check_inputs_apart
    from vangram.film.film import Film, FilmSettings
    from vangram.film.output import check_film_output

    target = output or Path(film).with_stem(f"{Path(film).stem}-rerun")
    inputs = find_inputs(record, film, moved)
    check_film_output(target)
    check_inputs_apart(target, inputs=(film, *inputs))
    if record.inputs.parameters is None:
        ensure_fetched(record.recipe.network, asked=False)
    settings = FilmSettings.from_dict(record.film or {})
    again = Film.prepare(target, inputs, record.recipe, settings, force=force)
    differences = record.differences(again.record)
    report(differences)
    again = replace(again, record=again.record.with_paths_of(record))
    make_film(again, force=force, quiet=quiet)
    if Path(film).is_file():
        _compare(film, target, differences)


def _compare(picture: str, again: Path, differences: list[str]) -> None:
    """Print whether bytes or pixels are the same; exit code 1 if they differ without a reason."""
    if Path(picture).suffix.lower() != again.suffix.lower():
        return
    if Path(picture).read_bytes() == again.read_bytes():
        tell(f"the same bytes as {picture}")
        return
    if _same_pixels(picture, again):
        tell(f"the same pixels as {picture}; its metadata differ")
        return
    noted = "which the differences above explain"
    why = noted if differences else "although inputs, settings and versions are the same"
    tell(f"not the same pixels as {picture}, {why}")
    if not differences:
        raise typer.Exit(1)


def _same_pixels(*paths: str | Path) -> bool:
    """Whether two pictures have the same pixels and alpha; False where one cannot be read."""
    import torch

    from vangram.errors import InputError
    from vangram.images import read_picture

    try:
        pictures = [read_picture(path) for path in paths]
    except InputError:
        return False
    parts = [[each.pixels, *([] if each.alpha is None else [each.alpha])] for each in pictures]
    return len(parts[0]) == len(parts[1]) and all(map(torch.equal, *parts))
