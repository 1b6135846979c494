"""Recipes in TOML files."""

from __future__ import annotations

import os
import sys
from typing import Any

from vangram.errors import RecipeError, SettingError
from vangram.settings.recipe import Recipe
from vangram.storage.files import open_regular, quoted, reason, replacing

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HEADING = "# A recipe for VanGram: vangram stylize PHOTO PAINTING --recipe THIS -o PICTURE\n"


def read_toml(path: str | os.PathLike[str]) -> Recipe:
    """The recipe in a TOML file: one line for each setting, named as in `Recipe` or as its option.

    Settings that the file leaves out have their defaults. Layers are a table of layer to weight, or
    text as on the command line.

    Raises:
        RecipeError: the file cannot be read, is no TOML, or has a setting that is unknown or out
            of range; the message names the file and the setting.
    """
    read, values = _values(path), {}
    try:
        for key, value in read.items():
            name = key.replace("-", "_")
            if name in values:
                raise SettingError(f"{name} is given twice")
            values[name] = value
        return Recipe.from_dict(values)
    except (RecipeError, SettingError) as error:
        raise RecipeError(f"{quoted(path)}: {reason(error)}") from None


def write_recipe_file(path: str | os.PathLike[str], recipe: Recipe) -> None:
    """Write all settings of a recipe; `read_toml` gives an equal recipe.

    Settings that are None, so chosen by the program, are left out: TOML has no null.

    Raises:
        OutputError: the file cannot be written; an older file at that path is untouched.
    """
    import tomli_w

    values = {name: value for name, value in recipe.to_dict().items() if value is not None}
    with replacing(path) as handle:
        handle.write((HEADING + tomli_w.dumps(values)).encode())


def _values(path: str | os.PathLike[str]) -> dict[str, Any]:
    try:
        with open_regular(path) as handle:
            read: dict[str, Any] = tomllib.load(handle)
            return read
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, OSError):
            what = "cannot be read", "check the path"
        else:  # no TOML, no UTF-8, or an impossible path
            what = "is no recipe", "write a line for each setting, such as style_weight = 100.0"
        raise RecipeError(f"{quoted(path)} {what[0]} ({reason(error)}); {what[1]}") from None
