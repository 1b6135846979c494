"""Named recipes."""

from __future__ import annotations

from collections.abc import Mapping
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
