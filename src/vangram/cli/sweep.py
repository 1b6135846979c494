"""What `vangram sweep` varies: `vangram stylize`'s own options, parsed as they are there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import typer
import typer.main

from vangram.cli.settings import is_given, recipe_of
from vangram.errors import SettingError
from vangram.reports.figures import Figure
from vangram.reports.sweep import Cell
from vangram.settings.recipe import Recipe

LOOKS = ("preset", "strength", "recipe")
"""What can be varied beside the recipe's settings."""
YES, NO = ("yes", "true", "on", "1"), ("no", "false", "off", "0")
"""Values of an option that is a switch."""


def figure_of(context: typer.Context) -> Callable[[Cell, str], Figure]:
    """What makes a figure of a combination: a sweep's own options, and those varied over them.

    Args:
        context: of the sweep.
    """
    from vangram.cli.commands import app

    stylize: Any = typer.main.get_command(app)
    stylize = stylize.commands["stylize"]
    allowed = {setting.name for setting in fields(Recipe)} | set(LOOKS)
    known = {p.name: p for p in stylize.params if p.name in allowed}
    base = {name: context.params[name] for name in known if is_given(context, name)}
    base.setdefault("size", context.params["size"])
    photo, painting = context.params["photo"], context.params["painting"]

    def figure(cell: Cell, caption: str) -> Figure:
        options = dict(base)
        for option, value in cell.items():
            name = option.replace("-", "_")
            if name not in known:
                names = ", ".join(sorted(other.replace("_", "-") for other in known))
                raise SettingError(f"{option!r} cannot be varied; what can: {names}")
            options[name] = _switched(option, value) if known[name].is_flag else value
        words = [photo, painting, "-o", "picture.png"]
        for name, value in options.items():
            words += _words(known[name], value)
        try:
            with stylize.make_context("stylize", words) as parsed:
                recipe, start = recipe_of(parsed)
        except typer.BadParameter as error:
            raise SettingError(f"{caption}: {' '.join(error.message.split())}") from None
        return Figure(caption, recipe, photo, painting, start)

    return figure


def _switched(option: str, value: str) -> bool:
    if value.lower() not in (*YES, *NO):
        raise SettingError(f"{option} is varied as {option}=no,yes, not {value!r}")
    return value.lower() in YES


def _words(parameter: Any, value: Any) -> list[str]:
    """An option as `vangram stylize` is told it."""
    if parameter.is_flag:
        return [parameter.opts[0]] if value else []
    return [f"{parameter.opts[0]}={value}"]
