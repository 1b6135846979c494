"""Settings as keyword arguments: their types, and the recipe that is made of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from vangram.errors import SettingError
from vangram.settings.fields import shown
from vangram.settings.kinds import Kind
from vangram.settings.presets import preset
from vangram.settings.recipe import (
    Colour,
    Init,
    OptimizerName,
    Pooling,
    Precision,
    Recipe,
    StyleLossName,
    Units,
    layers_up_to,
)

Layers = Mapping[str, float] | str
BESIDE = ("preset", "recipe", "strength", "up_to")
"""Keyword arguments beside the settings."""
ALTERNATIVES = (
    ("preset", "recipe"),
    ("strength", "style_weight"),
    ("up_to", "layers"),
    ("up_to", "style_layers"),
    ("up_to", "each_style_layers"),
)
"""Pairs of names that exclude each other."""
PresetName = Literal["sketch", "balanced", "bold", "abstract"]


class Settings(TypedDict, total=False):
    """Keyword arguments for the settings of `Recipe`, with the types accepted for each."""

    size: int
    proportions: tuple[int, int] | None
    steps: int
    init: Init
    seed: int
    content_weight: float
    style_weight: float
    tv_weight: float
    range_weight: float
    content_layers: Layers
    blend: Sequence[float] | str
    each_style_layers: Sequence[Layers]
    style_layers: Layers
    style_loss: StyleLossName
    units: Units
    style_size: float
    colour: Colour
    network: str
    pooling: Pooling
    normalise: bool
    noise_range: float
    optimizer: OptimizerName
    tolerance: float
    levels: int | None
    memory: int | str | None
    tile: int | None
    device: str
    precision: Precision
    flicker_weight: float
    frame_steps: int
    passes: int
    remember: Sequence[int] | str
    recipe: Recipe | str | os.PathLike[str]


class StylizeSettings(Settings, total=False):
    """Settings of a repainted photograph."""

    preset: PresetName
    strength: float


class ReconstructSettings(Settings, total=False):
    """Settings of a content reconstruction."""

    layer: Layers


class TextureSettings(Settings, total=False):
    """Settings of a texture."""

    layers: Layers
    up_to: str


def recipe_from(kind: Kind, given: Mapping[str, Any]) -> Recipe:
    """The recipe made of settings.

    Args:
        kind: kind of the run.
        given: settings by name, or by the name of their option. They change `recipe`, the recipe of
            `preset`, or the kind's own. `strength` multiplies the style weight, `up_to` is the
            deepest style layer; None stands for none given.

    Raises:
        SettingError: a setting is unknown or out of range, or two contradict each other.
    """
    changes = {k: value for k, value in given.items() if value is not None or k not in BESIDE}
    for one, other in (*ALTERNATIVES, *kind.renamed.items()):
        if one in changes and other in changes:
            raise SettingError(f"{one} and {other} set the same; give one of them, not both")
    names = {option: setting for setting, option in kind.renamed.items()}
    changes = {names.get(name, name): value for name, value in changes.items()}
    name, base, strength, up_to = (changes.pop(each, None) for each in BESIDE)
    if up_to is not None:
        changes["style_layers"] = layers_up_to(up_to)
    if "style_layers" in changes:
        changes.setdefault("each_style_layers", ())  # the layers of all paintings
    if base is None:
        base = kind.base() if name is None else preset(name)
    elif not isinstance(base, Recipe):
        raise SettingError(f"recipe needs a vangram.Recipe, not {shown(base)}")
    recipe = base.replace(**changes)
    return recipe if strength is None else recipe.strengthened(strength)
