"""Named recipes, and one dial for how much of the painting there is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vangram.errors import SettingError
from vangram.recipe import Recipe

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "sketch": {"steps": 60, "style_weight": 12.0},
    "balanced": {},
    "bold": {"style_weight": 160.0},
    "abstract": {"style_weight": 1000.0},
}
"""Name -> what it changes of the defaults."""

EXPONENT = 2.0
"""Of the strength in the style weight."""
STRENGTHS = 0.1, 10.0
"""Beyond them a picture is the photograph, or a texture, and changes no more."""


def preset(name: str) -> Recipe:
    """The recipe of a name.

    Raises:
        SettingError: there is none of this name.
    """
    if name not in PRESETS:
        raise SettingError(f"there is no preset {name!r}; choose one of {', '.join(PRESETS)}")
    return Recipe(**PRESETS[name])


def strengthened(recipe: Recipe, strength: float) -> Recipe:
    """A recipe with more of the painting, or less: its style weight times a power of the strength.

    Strength is no setting of its own. 1 changes nothing; equal factors are steps that look equal.

    Raises:
        SettingError: the strength is out of range.
    """
    least, most = STRENGTHS
    if not least <= strength <= most:
        raise SettingError(f"strength needs a number from {least:g} to {most:g}, not {strength!r}")
    return replace(recipe, style_weight=recipe.style_weight * math.pow(strength, EXPONENT))
