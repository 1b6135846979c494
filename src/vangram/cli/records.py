"""The record in a picture, and its comparison with the record of a run now."""

from __future__ import annotations

from collections.abc import Iterable

from vangram.cli.streams import tell
from vangram.errors import RecipeError
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
        tell(f"note: {line}")


def continued(was: Record, now: Record) -> Record:
    """The record of a run that is continued; prints which versions differ. Errors as in `run`."""
    from vangram.run import checkpoints

    record = checkpoints.continued(was, now)
    report(was.differences(now))
    return record


def warn(line: str) -> None:
    """Print what the run goes on without."""
    tell(f"warning: {line}")
