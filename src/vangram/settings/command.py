"""A run as the command that makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from vangram.settings.recipe import RECONSTRUCTION, TEXTURE, Recipe
from vangram.settings.record import Record
from vangram.settings.text import format_layers

ARGUMENTS = ("content", "style")
"""Inputs that are arguments, and no options."""


def command_of(record: Record, output: str) -> list[str]:
    """The words of the command that makes a picture; what is left to its default is left out.

    Args:
        record: of the picture.
        output: where it is to go.
    """
    if record.inputs.content is None:
        kind, fixed = "texture", TEXTURE
        renamed = {"style_layers": "layers", "each_style_layers": "layers"}
    elif not record.inputs.styles:
        kind, fixed, renamed = "reconstruct", RECONSTRUCTION, {"content_layers": "layer"}
    else:
        kind, fixed, renamed = "stylize", {}, {"each_style_layers": "style_layers"}
    given = list(record.inputs.named())
    pictures = [each.path for name, each in given if name.kind in ARGUMENTS]
    words = ["vangram", kind, *pictures, "--output", output]
    for name, value in _changed(record.recipe, Recipe(**fixed)).items():
        option = "--" + renamed.get(name, name).replace("_", "-")
        for said in _said(name, value, record):
            words += [option, *said]
    for input_name, each in given:
        if input_name.kind not in (*ARGUMENTS, "start"):
            words += [input_name.option, each.path]
    return words


def _changed(recipe: Recipe, base: Recipe) -> dict[str, Any]:
    values = {field.name: getattr(recipe, field.name) for field in fields(Recipe)}
    if recipe.proportions is not None:
        height, width = values.pop("proportions")
        values["size"] = f"{width}x{height}"
    if recipe.init == "before":
        del values["init"]  # which follows
    if recipe.each_style_layers:
        del values["style_layers"]  # which follows
    return {name: value for name, value in values.items() if value != getattr(base, name)}


def _said(name: str, value: Any, record: Record) -> list[list[str]]:
    """What follows an option, for each time that it is given; nothing follows a switch."""
    if isinstance(value, bool):
        return [[]]
    if isinstance(value, Mapping):
        return [[format_layers(value)]]
    if name == "each_style_layers":
        return [[format_layers(layers)] for layers in value]
    if name == "blend":
        return [[",".join(map(repr, value))]]
    if name == "init" and record.inputs.start is not None:
        return [[record.inputs.start.path]]
    return [[str(value)]]
