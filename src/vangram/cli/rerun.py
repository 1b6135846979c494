"""What `vangram rerun` says before and after: which inputs, what differs, and whether it held."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from vangram.errors import RecipeError
from vangram.images import read_recipe
from vangram.record import Input, Record


def recorded(picture: str) -> Record:
    """The record that a picture carries.

    Raises:
        RecipeError: it carries none, or a damaged one.
        PictureError: it cannot be read.
    """
    text = read_recipe(picture)
    if text is None:
        raise RecipeError(
            f"{picture!r} carries no recipe; was it made by vangram, or edited since?"
        )
    return Record.from_json(text)


def found(given: str | None, recorded: Input, picture: str, option: str) -> str:
    """Where an input is now: as given, as recorded, or by that name beside the picture.

    Raises:
        RecipeError: in none of these places.
    """
    if given is not None:
        return given
    if recorded.sha256 is None:
        raise RecipeError(f"this picture's input came from memory; give it with {option}")
    places = Path(recorded.path), Path(picture).parent / Path(recorded.path).name
    for place in places:
        if place.exists():
            return str(place)
    raise RecipeError(f"{recorded.path!r} is no longer there; say where it is now with {option}")


def report(was: Record, now: Record) -> list[str]:
    """Tell what differs from when the picture was made; the lines told."""
    differences = was.differences(now)
    for line in differences:
        print(f"vangram: note: {line}", file=sys.stderr)
    return differences


def compare(picture: str, again: Path, differences: list[str]) -> None:
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
