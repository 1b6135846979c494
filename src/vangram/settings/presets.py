"""Named recipes, and one dial for how much of the painting there is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from vangram.errors import SettingError
from vangram.settings.recipe import Recipe

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "sketch": {"steps": 60, "style_weight": 10.0},
    "balanced": {},
    "bold": {"style_weight": 160.0},
    "abstract": {"style_weight": 160.0, "init": "noise", "noise_range": 0.1, "tv_weight": 1.0},
}
"""Name -> what it changes of the defaults; chosen by looking.

From noise the same weight leaves far less of the photograph than from the photograph itself, and
heavier weights leave nothing. The full range of noise keeps its grain; so does less smoothness.
"""

EXPONENT = 2.0
"""Of the strength in the style weight.

Measured for three pairs at 192 px: from a tenth of the default weight to ten times it, each half
decade adds nearly the same to the content term (0.34, 0.34, 0.29, 0.27 for one of them), so the
rule is a power. The square makes 0.1 to 10 all that can be seen, and 0.5, 1, 2 clear steps.
"""
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
    return recipe.replace(style_weight=recipe.style_weight * math.pow(strength, EXPONENT))
