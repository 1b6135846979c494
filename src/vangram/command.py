"""A run as the command that makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from vangram.recipe import RECONSTRUCTION, TEXTURE, Recipe, format_layers
from vangram.record import Record


def command_of(record: Record, output: str) -> list[str]:
    """The words of the command that makes a picture; what is left to its default is left out.

    Args:
        record: of the picture.
        output: where it is to go.
    """
    if record.content is None:
        kind, fixed, renamed = "texture", TEXTURE, {"style_layers": "layers"}
    elif record.style is None:
        kind, fixed, renamed = "reconstruct", RECONSTRUCTION, {"content_layers": "layer"}
    else:
        kind, fixed, renamed = "stylize", {}, {}
    pictures = [given.path for given in (record.content, record.style) if given is not None]
    words = ["vangram", kind, *pictures, "--output", output]
    for name, value in _changed(record.recipe, Recipe(**fixed)).items():
        words += _option(renamed.get(name, name), _said(name, value, record))
    if record.parameters is not None:
        words += ["--parameters", record.parameters.path]
    return words


def _changed(recipe: Recipe, base: Recipe) -> dict[str, Any]:
    values = {field.name: getattr(recipe, field.name) for field in fields(Recipe)}
    if recipe.proportions is not None:
        height, width = values.pop("proportions")
        values["size"] = f"{width}x{height}"
    return {name: value for name, value in values.items() if value != getattr(base, name)}


def _said(name: str, value: Any, record: Record) -> str | None:
    """A value as the command line wants it; None for a switch."""
    if isinstance(value, bool):
        return None
    if isinstance(value, Mapping):
        return format_layers(value)
    if name == "init" and record.start is not None:
        return record.start.path
    return str(value)


def _option(name: str, value: str | None) -> list[str]:
    option = "--" + name.replace("_", "-")
    return [option] if value is None else [option, value]
