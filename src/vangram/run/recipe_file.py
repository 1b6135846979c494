"""Recipes in files: TOML, and the pictures that carry them."""

from __future__ import annotations

import codecs
import os
from contextlib import suppress

from vangram.errors import InputError, PictureError, RecipeError
from vangram.images import read_recipe
from vangram.settings.recipe import Recipe
from vangram.settings.record import Record
from vangram.settings.toml import read_toml
from vangram.storage.files import open_regular, quoted

HEAD = 1024
"""Number of a file's first bytes by which text and pictures are told apart."""


def recorded(picture: str | os.PathLike[str]) -> Record:
    """The record that a picture carries.

    Raises:
        RecipeError: there is none, or it is damaged.
        PictureError: it cannot be read.
    """
    text = read_recipe(picture)
    if text is None:
        raise no_recipe(picture)
    return Record.from_json(text)


def recorded_or_none(picture: str | os.PathLike[str]) -> Record | None:
    """The record that a picture carries; None where one of them is missing or damaged."""
    with suppress(InputError):
        return recorded(picture)
    return None


def no_recipe(path: str | os.PathLike[str]) -> RecipeError:
    """The error of a picture or film that carries no recipe."""
    if os.fspath(path).lower().endswith(".gif"):
        return RecipeError(
            f"{quoted(path)} is a GIF, which holds no recipe; write films to .webp, .png or .mp4 to"
            " keep it"
        )
    return RecipeError(
        f"{quoted(path)} carries no recipe; was it made by vangram, or edited since?"
    )


def read_recipe_file(path: str | os.PathLike[str]) -> Recipe:
    """The recipe in a TOML file, or the one that a finished picture carries.

    Raises:
        RecipeError: the file is neither, or its recipe cannot be used.
    """
    if _is_text(path):
        return read_toml(path)
    try:
        return recorded(path).recipe
    except PictureError as error:
        raise RecipeError(
            f"{quoted(path)} is neither a TOML file of settings nor a picture made by vangram"
        ) from error


def _is_text(path: str | os.PathLike[str]) -> bool:
    """Whether a file may be TOML; True where it cannot be read: reading it raises the error."""
    try:
        with open_regular(path) as handle:
            head = handle.read(HEAD)
        return "\0" not in codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    except (OSError, ValueError):
        return True
