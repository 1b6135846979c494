"""The film that comes out: a video, an animated picture, or a folder of frames."""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path

from vangram.errors import ExistsError, InputError, OutputError
from vangram.film.film import Film
from vangram.film.footage import frames_in
from vangram.film.video import ENCODERS, Timing, check_encoder, recipe_in, write_video
from vangram.images import (
    ANIMATIONS,
    READ_SUFFIXES,
    check_place,
    read_recipe,
    write_animation,
    write_picture,
)
from vangram.run.recipe_file import no_recipe
from vangram.settings.record import Record
from vangram.storage.files import counted, make_folder, quoted

TICK = {".gif": 10}
"""Suffix -> milliseconds in which an animation counts; others count single ones."""


def check_film_output(path: Path) -> None:
    """Check that a film can be written to a path.

    Raises:
        OutputError: it cannot.
    """
    suffix = path.suffix.lower()
    if path.name in ("", ".."):
        raise OutputError(f"{quoted(path)} is no name for a film; give the file or folder a name")
    if suffix in ENCODERS:
        check_encoder(path)
    elif suffix and suffix not in ANIMATIONS:
        kinds = ", ".join((*ENCODERS, *ANIMATIONS))
        raise OutputError(
            f"{quoted(path)} names no film to write; end it in {kinds}, or in nothing for a folder"
        )
    if suffix or not path.is_dir():
        check_place(path)
    if not suffix and os.path.lexists(path) and not path.is_dir():
        raise OutputError(f"{quoted(path)} is a file; end it in .mp4, or name a folder for frames")


def record_in(path: str | os.PathLike[str]) -> Record:
    """The record that a film carries: a video, an animated picture or a folder's first frame.

    Raises:
        RecipeError: there is none, or it is damaged.
        PictureError: it cannot be read.
    """
    file = frames_in(os.fspath(path))[0] if os.path.isdir(path) else path
    is_picture = Path(file).suffix.lower() in READ_SUFFIXES
    text = read_recipe(file) if is_picture else recipe_in(file)
    if text is None:
        raise no_recipe(path)
    return Record.from_json(text)


def is_made(film: Film) -> bool:
    """Whether the output is this film already.

    Raises:
        ExistsError: it is another file, or a folder with others in it.
    """
    return _is_there(film, film.output) and not film.work.is_begun()


def check_preview(film: Film, path: Path) -> None:
    """Check that a preview replaces none but this film's.

    Raises:
        ExistsError: it would replace another file.
    """
    if path.suffix.lower() != ".gif" or not film.work.is_begun():  # a .gif has no recipe
        _is_there(film, path)


def _is_there(film: Film, path: Path) -> bool:
    """Whether this film, or a part of it, is at a path; raises as `is_made`."""
    if not os.path.lexists(path) or (path.is_dir() and not _shown_names(path)):
        return False
    try:
        same = record_in(path).is_of_same_run(film.record)
    except InputError:
        same = False
    if not same:
        raise ExistsError(f"{quoted(path)} exists already; add --force to overwrite it")
    return True


def _shown_names(folder: Path) -> list[str]:
    """Names in a folder, without hidden files, which killed processes leave as well."""
    return [name for name in os.listdir(folder) if name[0] != "."]


def write_film(film: Film, path: Path, *, overwrite: bool, finished: bool = True) -> list[str]:
    """Write the frames that are painted, from the first on.

    Args:
        film: the film.
        path: ends as `check_film_output` allows.
        overwrite: False refuses to replace a file.
        finished: False for the film so far.

    Returns:
        What could not be written, a line each.

    Raises:
        OutputError: it cannot be written.
    """
    record = replace(film.record, finished=finished)
    recipe = record.published(path / "frame" if not path.suffix else path).to_json()
    timing, suffix = film.shown_timing(), path.suffix.lower()
    if suffix in ENCODERS:
        settings = film.settings
        source = film.inputs.content
        return write_video(
            path,
            (pixels for pixels, _ in film.shown()),
            timing,
            source=source if film.is_video else None,
            span=(settings.since, settings.until),
            recipe=recipe,
            overwrite=overwrite,
        )
    if suffix in ANIMATIONS:
        shown = list(film.shown())
        write_animation(
            path,
            [pixels for pixels, _ in shown],
            alphas=[alpha for _, alpha in shown],
            milliseconds=milliseconds(timing, TICK.get(suffix, 1)),
            recipe=recipe,
            overwrite=overwrite,
        )
        return []
    make_folder(path)
    written = set[str]()
    for index, (pixels, alpha) in enumerate(film.shown()):
        written.add(name := f"{film.name(index)}.png")
        write_picture(
            path / name,
            pixels,
            alpha=alpha,
            recipe=recipe,
            overwrite=overwrite,
        )
    others = {Path(each).name for each in frames_in(os.fspath(path))} - written
    if not others:
        return []
    return [
        f"{quoted(path)} has {counted(len(others), 'other picture')} in it, as"
        f" {quoted(min(others))}; remove what is no frame of this film"
    ]


def milliseconds(timing: Timing, tick: int) -> list[int]:
    """Durations of an animation's frames, whose sums are right to half a tick."""
    ends = accumulate(timing.durations, initial=Fraction(0))
    ticks = [round(end * 1000 / tick) for end in ends]
    return [max(1, after - before) * tick for before, after in pairwise(ticks)]
