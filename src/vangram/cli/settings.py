"""The recipe made of a command's options."""

from __future__ import annotations

from typing import Any

from vangram.cli.options import BaseRecipe, Settings
from vangram.errors import RecipeError
from vangram.settings.keywords import recipe_from
from vangram.settings.kinds import STYLIZE
from vangram.settings.recipe import Recipe


def recipe_of(given: Settings, base: BaseRecipe) -> tuple[Recipe, str | None]:
    """The recipe made of options, and the path of the picture to start from.

    Args:
        given: the settings given; "init" may be a path.
        base: the recipe that they change.

    Raises:
        SettingError: two options contradict each other, or a setting is out of range.
        RecipeError: the file cannot be used.
    """
    changes: dict[str, Any] = dict(given)
    start = None
    if changes.get("init", "content") not in ("content", "noise", "before"):
        start, changes["init"] = changes["init"], "picture"
    changes |= {"preset": base.preset, "strength": base.strength}
    if base.recipe is not None:
        from vangram.run.recipe_file import read_recipe_file

        changes["recipe"] = read_recipe_file(base.recipe)
    recipe = recipe_from(STYLIZE, changes)
    if recipe.init == "picture" and start is None:
        raise RecipeError("the recipe starts from a picture; say which with --init PATH")
    return recipe, start
