"""The kinds of run: their inputs, and where their settings differ from the recipe's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from vangram.settings.fields import Setting, settings_of
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import RECONSTRUCTION, TEXTURE, Recipe


@dataclass(frozen=True)
class Kind:
    """A kind of run."""

    command: str
    """Name of its command."""
    given: frozenset[str]
    """Inputs that it takes, by the names in `Setting.needs`."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Defaults that differ from the recipe's."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Setting -> name of its option, where the two differ."""

    def base(self) -> Recipe:
        """The recipe of a run of this kind for which no setting is given."""
        return Recipe(**self.changes)

    def settings(self) -> dict[str, Setting]:
        """The settings that can have an effect on runs of this kind, by name."""
        every = settings_of(Recipe)
        return {name: each for name, each in every.items() if self.given.issuperset(each.needs)}


STYLIZE = Kind("stylize", frozenset({"content", "style", "styles", "before", "noise"}))
FILM = replace(STYLIZE, command="film", given=STYLIZE.given | {"film"})
RECONSTRUCT = Kind(
    "reconstruct",
    frozenset({"content", "noise"}),
    RECONSTRUCTION,
    {"content_layers": "layer"},
)
SYNTHESIZE = Kind(
    "texture",
    frozenset({"style", "styles", "noise", "texture"}),
    TEXTURE,
    {"style_layers": "layers"},
)

ABSENT = {
    "content": "there is no photograph",
    "style": "there is no painting",
    "styles": "there is one painting",
    "before": "there is no frame before",
    "film": "it is no film",
    "texture": "it is no texture",
    "noise": "the first image is not noise",
}
"""Missing need of a setting -> why it has no effect."""
WEIGHTS = {"content": "content_weight", "style": "style_weight"}
"""Kind of term -> name of the setting with its weight."""


def without_effect(given: Iterable[str], recipe: Recipe, inputs: Inputs[Any]) -> list[str]:
    """A line for each setting that is given and has no effect.

    Args:
        given: names of the settings given.
        recipe: of the run.
        inputs: of the run.
    """
    present = {
        "content": inputs.content is not None,
        "style": bool(inputs.styles),
        "styles": len(inputs.styles) > 1,
        "before": inputs.before is not None,
        "film": inputs.before is not None,
        "texture": inputs.content is None,
        "noise": recipe.init == "noise",
    }
    lines = []
    for name in given:
        setting = settings_of(Recipe)[name]
        needs = setting.needs if setting.option else ()
        reasons = [ABSENT[each] for each in needs if not present[each]]
        if len(needs) == 1 and getattr(recipe, WEIGHTS.get(needs[0], ""), 1) == 0:
            reasons.append(f"{WEIGHTS[needs[0]]} is 0")
        if reasons:
            lines.append(f"{name} has no effect: {reasons[0]}")
    return lines
