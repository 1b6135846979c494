"""The recipe that a command's options ask for."""

from __future__ import annotations

import codecs
from typing import Any

from vangram.cli.options import BaseRecipe, Settings
from vangram.errors import PictureError, RecipeError, SettingError
from vangram.settings.presets import preset, strengthened
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
    recipe = _base(base).replace(**changes)
    if recipe.init == "picture" and start is None:
        raise RecipeError("the recipe starts from a picture; say which with --init PATH")
    if base.strength is None:
        return recipe, start
    if "style_weight" in given:
        raise SettingError("--strength sets the style weight; give it or --style-weight, not both")
    return strengthened(recipe, _number(base.strength)), start


def _base(base: BaseRecipe) -> Recipe:
    if base.recipe is None:
        return Recipe() if base.preset is None else preset(base.preset)
    if base.preset is not None:
        raise SettingError("--preset and --recipe both name a recipe; give one of them")
    return recipe_in(base.recipe)


def _number(strength: str) -> float:
    try:
        return float(strength)
    except ValueError:
        raise SettingError(f"strength needs a number, such as 1.5, not {strength!r}") from None


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
