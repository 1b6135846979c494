"""The kinds of run: what each is given, and where its settings differ from the recipe's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vangram.settings.fields import Setting, settings_of
from vangram.settings.recipe import RECONSTRUCTION, TEXTURE, Recipe


@dataclass(frozen=True)
class Kind:
    """A kind of run."""

    command: str
    """Name of its command."""
    given: frozenset[str]
    """What it can be given, in the words of `Setting.needs`."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Its defaults, where they are not the recipe's."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Setting -> name of its option, where that is not the setting's."""

    def base(self, model: type[Recipe] = Recipe) -> Recipe:
        """The recipe of a run of this kind for which no setting is given."""
        return model(**self.changes)

    def settings(self, model: type[Recipe] = Recipe) -> dict[str, Setting]:
        """The settings that can have an effect on runs of this kind, by name."""
        every = settings_of(model)
        return {name: each for name, each in every.items() if self.given.issuperset(each.needs)}


STYLIZE = Kind("stylize", frozenset({"content", "style", "styles", "before", "noise"}))
RECONSTRUCT = Kind(
    "reconstruct",
    frozenset({"content", "noise"}),
    RECONSTRUCTION,
    {"content_layers": "layer"},
)
SYNTHESIZE = Kind(
    "texture", frozenset({"style", "styles", "noise"}), TEXTURE, {"style_layers": "layers"}
)
