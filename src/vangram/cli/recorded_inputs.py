"""The present paths of a record's inputs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from vangram.errors import RecipeError
from vangram.settings.inputs import InputName, Inputs
from vangram.settings.record import Input, Record


def find_inputs(record: Record, picture: str, given: Inputs[str]) -> Inputs[str]:
    """Paths of the inputs: those given, else the recorded ones, else files beside the picture.

    Of several files, the one with the recorded SHA-256 is taken. Where there is none, one with this
    SHA-256 is looked for by its recorded path from each folder above the picture's: from one of
    these the run may have been started.

    Raises:
        RecipeError: an input is in none of these places.
    """

    def found(named: tuple[InputName, Input]) -> str:
        name, recorded = named
        return given.get(name) or _found(recorded, picture, name.option, is_there)

    is_there = os.path.isfile if record.film is None else _is_file_or_folder

    return record.inputs.named().map(found)


def is_film(path: str, record: Record | None = None) -> bool:
    """Whether a path is of a film, made or begun, by its suffix, its work or its record."""
    from vangram.film.film import WORK
    from vangram.film.video import ENCODERS

    if record is not None and record.film is not None:
        return True
    return Path(path).suffix.lower() in ENCODERS or Path(path + WORK).is_dir()


def _found(recorded: Input, picture: str, option: str, is_there: Callable[[Path], bool]) -> str:
    if recorded.sha256 is None:
        raise RecipeError(f"this picture's input came from memory; give it with {option}")
    from vangram.film.film import digest

    folder, path = Path(picture).parent, Path(recorded.path)
    there = [place for place in (path, folder / path, folder / path.name) if is_there(place)]
    for place in there:
        if len(there) == 1 or digest(str(place)) == recorded.sha256:
            return str(place)
    if there:
        return str(there[0])
    for above in () if path.is_absolute() else folder.absolute().parents:
        if is_there(above / path) and digest(str(above / path)) == recorded.sha256:
            return str(above / path)
    raise RecipeError(f"{recorded.path!r} is no longer there; say where it is now with {option}")


def _is_file_or_folder(path: Path) -> bool:
    """Whether a path is a file, or a folder, which can be a film's frames."""
    return path.is_file() or path.is_dir()
