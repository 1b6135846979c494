"""The files that a command is to write: checks before any work, and their places after it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from vangram.cli.streams import tell
from vangram.errors import OutputError, SettingError
from vangram.images import check_output
from vangram.storage.places import Place, Write


def write_at(place: Place, write: Write) -> Path:
    """Write a file at its place; print its name where that had to change. Raises as `write`."""
    wanted = place.path
    path = place.write(write)
    tell_moved(wanted, path)
    return path


def tell_moved(wanted: Path, path: Path) -> None:
    """Print the name of a file that has another name than was asked for."""
    if path != wanted:
        tell(f"warning: another file has appeared as {wanted}; this one is {path}")


def check_timelapse(path: Path | None) -> None:
    """Check that a timelapse is named as a WebP.

    Raises:
        SettingError: the name has another suffix.
    """
    if path is not None and path.suffix.lower() != ".webp":
        raise SettingError(f"{str(path)!r} cannot be a timelapse; end its name in .webp")


def check_recipe_file(
    path: Path | None, others: tuple[str | Path | None, ...], force: bool
) -> None:
    """Check that a recipe's file replaces no picture of the run, and no other file unless forced.

    Raises:
        OutputError: it would replace one.
    """
    if path is None:
        return
    if os.path.realpath(path) in {os.path.realpath(other) for other in others if other is not None}:
        raise OutputError(f"{str(path)!r} is a picture of this run; save the recipe elsewhere")
    check_new(path, force=force)


def check_outputs(*outputs: Path | None, inputs: Iterable[str], force: bool) -> None:
    """Check that every output can be written, and replaces no input and, unless forced, no file.

    Raises:
        OutputError: an output cannot be written, or would replace one.
    """
    for path in filter(None, outputs):
        check_output(path)
    check_inputs_apart(*outputs, inputs=inputs)
    check_new(*outputs, force=force)


def check_new(*outputs: Path | None, force: bool) -> None:
    """Check that no output replaces a file, unless forced.

    Raises:
        OutputError: one would.
    """
    for path in filter(None, outputs):
        if os.path.exists(path) and not force:
            raise OutputError(f"{str(path)!r} exists already; add --force to overwrite it")


def check_inputs_apart(*outputs: Path | None, inputs: Iterable[str]) -> None:
    """Check that no output is an input, in a folder that is one, or named twice.

    Raises:
        OutputError: one is.
    """
    given = set(map(os.path.realpath, inputs))
    seen: set[str] = set()
    for path in filter(None, outputs):
        # Not `Path.resolve`, which raises where links lead in a circle.
        target = os.path.realpath(path)
        if target in given:
            raise OutputError(f"{str(path)!r} is one of the pictures given; choose another output")
        if path.suffix and os.path.dirname(target) in given:
            raise OutputError(
                f"{str(path)!r} is in a folder that is given, and would change it; choose another"
            )
        if target in seen:
            raise OutputError(f"{str(path)!r} is named for two outputs; give each its own name")
        seen.add(target)
