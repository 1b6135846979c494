"""Named recipes, and the strength of the style."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from vangram.errors import SettingError
from vangram.settings.fields import shown
from vangram.settings.recipe import Recipe

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "sketch": {"steps": 60, "style_weight": 10.0},
    "balanced": {},
    "bold": {"style_weight": 160.0},
    "abstract": {"style_weight": 160.0, "init": "noise", "noise_range": 0.1, "tv_weight": 1.0},
}
"""Name -> settings that differ from the defaults; chosen by eye.

At the same weight, a run from noise keeps far less of the photograph than one that starts from it,
and nothing at larger weights. The full range of noise leaves grain; so does a smaller tv_weight.
"""

EXPONENT = 2.0
"""Exponent of the strength in the style weight.

Measured for three pairs at 192 px: from a tenth of the default weight to ten times it, each half
decade adds nearly the same to the content term (0.34, 0.34, 0.29, 0.27 for one of them), so the
rule is a power. With the square, 0.1 to 10 is the visible range and 0.5, 1, 2 are clear steps.
"""
STRENGTHS = 0.1, 10.0
"""Smallest and largest strength; beyond them the result is the photograph, or a texture."""


def preset_settings(name: str) -> Mapping[str, Any]:
    """The settings of a preset that differ from the defaults.

    Raises:
        SettingError: there is no preset of this name.
    """
    if not isinstance(name, str) or name not in PRESETS:
        raise SettingError(f"there is no preset {shown(name)}; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]


def preset(name: str) -> Recipe:
    """The recipe of a preset; raises as `preset_settings`."""
    return Recipe(**preset_settings(name))


def strengthened(recipe: Recipe, strength: float | str) -> Recipe:
    """The recipe with its style weight multiplied by a power of the strength.

    Strength is no setting of its own. 1, the default, changes nothing; equal factors look like
    equal steps.

    Raises:
        SettingError: the strength is no number, or out of range.
    """
    least, most = STRENGTHS
    with suppress(TypeError, ValueError, OverflowError):
        factor = float(strength)
        if least <= factor <= most and not isinstance(strength, bool):
            return recipe.replace(style_weight=recipe.style_weight * math.pow(factor, EXPONENT))
    raise SettingError(
        f"strength needs a number from {least:g} to {most:g}, such as 1.5, not {shown(strength)}"
    )
