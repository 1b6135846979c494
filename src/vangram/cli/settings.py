"""The recipe that a command's options ask for."""

from __future__ import annotations

import codecs
from typing import Any

from vangram.cli.options import BaseRecipe, Settings
from vangram.errors import PictureError, RecipeError
from vangram.settings.keywords import recipe_from
from vangram.settings.kinds import STYLIZE
from vangram.settings.recipe import Recipe
from vangram.settings.toml import read_recipe_file
from vangram.storage.files import open_regular, quoted

HEAD = 1024
"""Bytes of a file that tell text from a picture."""


def recipe_of(given: Settings, base: BaseRecipe) -> tuple[Recipe, str | None]:
    """The recipe that options ask for, and the path of the picture to start from.

    Args:
        given: the settings given; "init" may be a path.
        base: what they change.

    Raises:
        SettingError: two options contradict each other, or a setting is out of range.
        RecipeError: the file cannot be used.
    """
    changes: dict[str, Any] = dict(given)
    start = None
    if changes.get("init", "content") not in ("content", "noise", "before"):
        start, changes["init"] = changes["init"], "picture"
    beside: dict[str, Any] = {"preset": base.preset, "strength": base.strength}
    beside["recipe"] = None if base.recipe is None else recipe_in(base.recipe)
    recipe = recipe_from(STYLIZE, changes | beside)
    if recipe.init == "picture" and start is None:
        raise RecipeError("the recipe starts from a picture; say which with --init PATH")
    return recipe, start


def recipe_in(path: str) -> Recipe:
    """The recipe in a TOML file, or the one that a finished picture carries.

    Raises:
        RecipeError: the file is neither, or its recipe cannot be used.
    """
    if _is_text(path):
        return read_recipe_file(path)
    from vangram.cli.records import recorded

    try:
        return recorded(path).recipe
    except PictureError as error:
        raise RecipeError(
            f"{quoted(path)} is neither a TOML file of settings nor a picture made by vangram"
        ) from error


def _is_text(path: str) -> bool:
    """Whether a file may be TOML; true as well where it cannot be read, which reading it tells."""
    try:
        with open_regular(path) as handle:
            head = handle.read(HEAD)
        return "\0" not in codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    except (OSError, ValueError):
        return True
