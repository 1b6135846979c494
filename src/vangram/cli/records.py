"""A run taken up again from its record: where its inputs are now, and what differs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from vangram.errors import RecipeError
from vangram.images import read_recipe
from vangram.settings.record import Input, Record, kind_of


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


def find_inputs(record: Record, picture: str, given: Mapping[str, str | None]) -> dict[str, str]:
    """Where the inputs are now: as given, as recorded, or by that name beside the picture.

    Raises:
        RecipeError: one is in none of these places.
    """
    return {
        name: given.get(name) or _found(recorded, picture, f"--{kind_of(name)}")
        for name, recorded in record.inputs.items()
    }


def report(differences: Iterable[str]) -> None:
    """Tell what differs from when the picture was begun."""
    for line in differences:
        print(f"vangram: note: {line}", file=sys.stderr)


def _found(recorded: Input, picture: str, option: str) -> str:
    if recorded.sha256 is None:
        raise RecipeError(f"this picture's input came from memory; give it with {option}")
    places = Path(recorded.path), Path(picture).parent / Path(recorded.path).name
    for place in places:
        if place.exists():
            return str(place)
    raise RecipeError(f"{recorded.path!r} is no longer there; say where it is now with {option}")
