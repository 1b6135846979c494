"""The record in a picture, and its comparison with the record of a run now."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from vangram.errors import CheckpointError, RecipeError
from vangram.images import read_recipe
from vangram.settings.record import Record


def recorded(picture: str) -> Record:
    """The record that a picture carries.

    Raises:
        RecipeError: there is none, or it is damaged.
        PictureError: it cannot be read.
    """
    text = read_recipe(picture)
    if text is None:
        raise RecipeError(
            f"{picture!r} carries no recipe; was it made by vangram, or edited since?"
        )
    return Record.from_json(text)


def report(differences: Iterable[str]) -> None:
    """Print what differs from when the picture was begun, a line each."""
    for line in differences:
        print(f"vangram: note: {line}", file=sys.stderr)


def continued(was: Record, now: Record) -> Record:
    """The record of a run that is continued; prints which versions differ.

    Raises:
        CheckpointError: an input or the network is not what the run began with.
    """
    for change in was.changes(now):
        raise CheckpointError(
            f"{change}; a run goes on with what it began with, or starts anew with"
            " `vangram stylize --force`"
        )
    report(was.differences(now))
    return was.continued(now)
