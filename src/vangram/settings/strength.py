"""The strength of the style: one number in place of the style weight."""

from __future__ import annotations

import math
from contextlib import suppress

from vangram.errors import SettingError
from vangram.settings.fields import shown
from vangram.settings.recipe import Recipe

DEFAULT_STRENGTH = 1.0
"""Strength of a recipe as it is; where none is given."""
EXPONENT = 2.0
"""Exponent of the strength in the style weight.

Measured for three pairs at 192 px: from a tenth of the default weight to ten times it, each half
decade adds nearly the same to the content term (0.34, 0.34, 0.29, 0.27 for one of them), so the
rule is a power. With the square, 0.1 to 10 is the visible range and 0.5, 1, 2 are clear steps.
"""
STRENGTHS = 0.1, 10.0
"""Smallest and largest strength; beyond them the result is the photograph, or a texture."""


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
