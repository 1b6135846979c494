"""Options to a recipe: a preset or a file first, then what the command line says itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from vangram.errors import RecipeError, SettingError
from vangram.settings.fields import settings_of
from vangram.settings.presets import preset, strengthened
from vangram.settings.recipe import Recipe
from vangram.settings.text import parse_blend, parse_layers, parse_memory
from vangram.settings.toml import read_recipe_file

PARSED = {"content_layers": parse_layers, "memory": parse_memory, "blend": parse_blend}
"""How options that are text become settings that are none."""


def recipe_of(
    context: typer.Context, base: Recipe | None = None, **settings: Any
) -> tuple[Recipe, str | None]:
    """The recipe that a command's options ask for, and the path of the picture to start from.

    Options that the command does not have, or that were not given, leave the setting as it is.

    Args:
        context: of the command.
        base: what they change; None: the preset or the file that they name, or the defaults.
        settings: that the command knows better than its options say.

    Raises:
        SettingError: two options contradict each other, or a setting is out of range.
        RecipeError: the file cannot be used.
    """
    options = context.params
    given = {
        name: _value(name, options[name])
        for name in settings_of(Recipe)
        if name not in settings and is_given(context, name)
    } | settings
    if "style_layers" not in settings:
        given |= style_layers_of(given.pop("style_layers", None))
    strength = options.get("strength")
    if strength is not None and "style_weight" in given:
        raise SettingError("--strength sets the style weight; give it or --style-weight, not both")
    recipe, start = base or _base(options.get("preset"), options.get("recipe")), None
    if given.get("init", "content") not in ("content", "noise", "before"):
        start, given["init"] = given["init"], "picture"
    recipe = recipe.replace(**given)
    if recipe.init == "picture" and start is None:
        raise RecipeError("the recipe starts from a picture; say which with --init PATH")
    return recipe if strength is None else strengthened(recipe, strength), start


def style_layers_of(said: str | Sequence[str] | None) -> dict[str, Any]:
    """The settings for style layers given once, or once for each painting."""
    if not said:
        return {}
    sets = [said] if isinstance(said, str) else list(said)
    if len(sets) == 1:
        return {"style_layers": parse_layers(sets[0]), "each_style_layers": ()}
    return {"each_style_layers": tuple(map(parse_layers, sets))}


def _base(name: str | None, file: str | None) -> Recipe:
    if name is not None and file is not None:
        raise SettingError("--preset and --recipe both name a recipe; give one of them")
    if file is not None:
        return read_recipe_file(file)
    return Recipe() if name is None else preset(name)


def is_given(context: typer.Context, name: str) -> bool:
    """Whether an option is there, and was given."""
    source = context.get_parameter_source(name)  # an enumeration of click's, or typer's own click
    return source is not None and source.name not in ("DEFAULT", "DEFAULT_MAP")


def _value(name: str, said: Any) -> Any:
    return PARSED[name](said) if name in PARSED else said
