"""Estimate of a run before it begins: size, seconds, memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vangram.run import Run
from vangram.run.progress import plan_of
from vangram.settings.kinds import without_effect
from vangram.settings.recipe import Recipe


def prepared(inputs: Mapping[str, Any], recipe: Recipe) -> Run:
    """A checked run; the inputs are paths by name. Raises as `Run.prepare`."""
    given = dict(inputs)
    content, styles = given.pop("content", None), given.pop("styles", ())
    return Run.prepare(content, *styles, **given, recipe=recipe)


def plan(
    inputs: Mapping[str, Any], recipes: Sequence[Mapping[str, Any]], given: Sequence[str]
) -> dict[str, Any]:
    """Size, seconds and memory of pictures made of the same inputs, one after the other.

    Args:
        inputs: paths by what they are.
        recipes: of each picture; the first one's seconds are measured, the others' follow.
        given: names of the settings that were given; those without an effect are noted.
    """
    checked: dict[Any, Run] = {}
    work = []
    for values in recipes:
        recipe = Recipe.from_dict(values)
        kind = (recipe.size, recipe.layers, recipe.network, recipe.units, recipe.colour,
                recipe.device, recipe.memory, recipe.tile)  # fmt: skip
        if kind not in checked:
            checked[kind] = prepared(inputs, recipe)
        work.append(recipe.size**2 * recipe.steps)
    first = next(iter(checked.values()))
    unused = without_effect(given, first.recipe, first.record.inputs)
    seconds = first.expected_seconds() * sum(work) / work[0]
    notes = [*unused, *first.inputs.notes]
    return plan_of(first) | {
        "seconds": round(seconds, 1),
        "pictures": len(recipes),
        "notes": notes,
    }
