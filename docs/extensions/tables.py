"""Tables of every command's options and of the recipe's settings, read from the program itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import typer.main
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from vangram.cli.app import COMMANDS, load_command
from vangram.cli.app import app as program
from vangram.settings.fields import Setting, settings_of
from vangram.settings.recipe import Recipe


def commands() -> Iterator[tuple[str, Any]]:
    """Names and commands as click knows them, groups before what is in them."""
    yield "vangram", typer.main.get_command(program)
    for name in COMMANDS:
        command = load_command(name)
        yield f"vangram {name}", command
        for inner in getattr(command, "commands", {}).values():
            yield f"vangram {name} {inner.name}", inner


def command_page() -> Iterator[str]:
    """Lines on each command: its call, what it does, a table of its options by heading."""
    for name, command in commands():
        words = [_metavar(p) for p in command.params if p.param_type_name == "argument"]
        words += ["COMMAND"] if getattr(command, "commands", None) else []
        yield from [f"## `{name}`", "", "```", " ".join([name, *words, "[OPTIONS]"]), "```", ""]
        yield from [inspect.cleandoc(command.help or ""), ""]
        panels: dict[str, list[tuple[str, str, str]]] = {}
        for parameter in command.params:
            argument = parameter.param_type_name == "argument"
            panel = getattr(parameter, "rich_help_panel", None)
            heading = panel or ("Arguments" if argument else "Options")
            row = _called(parameter), parameter.help or "", _default(parameter)
            panels.setdefault(heading, []).append(row)
        for heading, rows in panels.items():
            yield from _table((heading, "", "Default"), rows)


def settings_page() -> Iterator[str]:
    """Lines on each setting of the recipe: a table by group."""
    groups: dict[str, list[Setting]] = {}
    for setting in settings_of(Recipe).values():
        groups.setdefault(setting.group, []).append(setting)
    for group, settings in groups.items():
        rows = ((f"`{s.name}`", s.help, s.values, _setting_default(s)) for s in settings)
        yield from _table((group, "", "Values", "Default"), rows)


def _table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    first = tuple(heading)
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (first, ["---"] * len(first), *cells)] + [""]


def _called(parameter: Any) -> str:
    """An argument or option as a command has it."""
    if parameter.param_type_name == "argument":
        return f"`{_metavar(parameter)}`"
    names = [*sorted(parameter.opts, key=len, reverse=True), *parameter.secondary_opts]
    value = "" if parameter.is_flag or not parameter.metavar else f" {parameter.metavar}"
    return f"`{'`, `'.join(names)}{value}`"


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _default(parameter: Any) -> str:
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    if parameter.required:
        return "required"
    default = parameter.default
    if default is None or isinstance(default, bool):
        return "yes" if default else ""
    return f"`{default[0] if isinstance(default, list) else default}`"


def _setting_default(setting: Setting) -> str:
    text = setting.format(setting.default)
    return text if text == setting.unset else f"`{text}`"


PAGES: Mapping[str, Callable[[], Iterator[str]]] = {
    "vangram-commands": command_page,
    "vangram-settings": settings_page,
}
"""Directives that stand for lines of Markdown."""


class Page(SphinxDirective):
    """One of `PAGES`."""

    def run(self) -> list[nodes.Node]:
        """Parse its lines."""
        text = "\n".join(PAGES[self.name]())
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    for name in PAGES:
        app.add_directive(name, Page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
