"""The command that makes a picture, composed from its record."""

from __future__ import annotations

from vangram.settings.fields import settings_of
from vangram.settings.kinds import RECONSTRUCT, STYLIZE, SYNTHESIZE, Kind
from vangram.settings.recipe import Recipe
from vangram.settings.record import Record

ARGUMENTS = ("content", "style")
"""Inputs that are arguments rather than options."""


def command_of(record: Record, output: str) -> list[str]:
    """The words of the command; settings with their defaults are left out.

    Args:
        record: of the picture.
        output: path of the picture to write.
    """
    kind = STYLIZE
    if record.inputs.content is None:
        kind = SYNTHESIZE
    elif not record.inputs.styles:
        kind = RECONSTRUCT
    given = list(record.inputs.named())
    pictures = [each.path for name, each in given if name.kind in ARGUMENTS]
    words = ["vangram", kind.command, *pictures, "--output", output]
    words += _changed(record, kind)
    for name, each in given:
        if name.kind not in (*ARGUMENTS, "start"):
            words += [name.option, each.path]
    return words


def _changed(record: Record, kind: Kind) -> list[str]:
    """Options for all settings that are not the default in runs of this kind."""
    recipe, settings = record.recipe, settings_of(Recipe)
    base = kind.base()
    values = {name: getattr(recipe, name) for name, setting in settings.items() if setting.option}
    changed = {name: value for name, value in values.items() if value != getattr(base, name)}
    if recipe.proportions is not None:
        height, width = recipe.proportions
        changed["size"] = f"{width}x{height}"
    if recipe.init == "before":
        changed.pop("init", None)  # which follows
    if record.inputs.start is not None:
        changed["init"] = record.inputs.start.path
    if recipe.each_style_layers:
        changed.pop("style_layers", None)  # which follows
    repeated = [("style_layers", layers) for layers in recipe.each_style_layers]
    return [
        word
        for name, value in [*changed.items(), *repeated]
        for word in settings[name].words(value, kind.renamed.get(name))
    ]
