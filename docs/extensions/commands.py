"""Every command with its arguments and options, read from the program itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer.main
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from vangram.cli.app import app as program


def commands(command: Any = None, name: str = "vangram") -> Iterator[tuple[str, Any]]:
    """Names and commands as click knows them, groups before what is in them."""
    command = command or typer.main.get_command(program)
    yield name, command
    for inner in getattr(command, "commands", {}).values():
        yield from commands(inner, f"{name} {inner.name}")


def markdown(name: str, command: Any) -> list[str]:
    """Lines on a command: how it is called, what it does, a table of its options by heading."""
    words = [_metavar(p) for p in command.params if p.param_type_name == "argument"]
    words += ["COMMAND"] if getattr(command, "commands", None) else []
    lines = [f"## `{name}`", "", "```", " ".join([name, *words, "[OPTIONS]"]), "```", ""]
    lines += [inspect.cleandoc(command.help or ""), ""]
    panels: dict[str, list[str]] = {}
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            heading, called = "Arguments", _metavar(parameter)
        else:
            heading = getattr(parameter, "rich_help_panel", None) or "Options"
            called = "`, `".join(sorted(parameter.opts, key=len, reverse=True))
        row = f"| `{called}` | {_help(parameter)} | {_default(parameter)} |"
        panels.setdefault(heading, []).append(row)
    for heading, rows in panels.items():
        lines += [f"| {heading} | | Default |", "|---|---|---|", *rows, ""]
    return lines


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _help(parameter: Any) -> str:
    """What it says, without a default that it tells in words."""
    text: str = (getattr(parameter, "help", None) or "").partition("[default:")[0]
    return text.strip().replace("|", "\\|")


def _default(parameter: Any) -> str:
    told = (getattr(parameter, "help", None) or "").partition("[default:")[2]
    if told:
        return str(told).strip().removesuffix("]").strip()
    if parameter.required:
        return "required"
    if parameter.default is None or isinstance(parameter.default, bool):
        return ""
    return f"`{parameter.default}`"


class Commands(SphinxDirective):
    """`{vangram-commands}`: all of them."""

    def run(self) -> list[nodes.Node]:
        """Parse what `markdown` says of each."""
        parsed: list[nodes.Node] = []
        for name, command in commands():
            text = "\n".join(markdown(name, command))
            parsed += self.parse_text_to_nodes(text, allow_section_headings=True)
        return parsed


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("vangram-commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
