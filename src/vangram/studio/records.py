"""The record in a picture in the form of the HTTP interface."""

from __future__ import annotations

from collections.abc import Callable
from shlex import join
from typing import Any

from vangram.settings.command import command_of
from vangram.settings.record import Input, Record
from vangram.studio.requests import KINDS

Named = Callable[[str | None], dict[str, Any] | None]
"""SHA-256 -> the uploaded picture with it, or None."""


def recipe_of(record: Record, named: Named, output: str | None = None) -> dict[str, Any]:
    """A record: kind, settings, inputs, the command.

    Args:
        record: of the picture.
        named: finds pictures that were uploaded.
        output: the picture that carries the record, which the command writes; None: another.
    """
    inputs, command = record.inputs, command_of(record, "picture.png")
    if output is not None:
        command = command_of(record.located(output), output)
    kind = "texture" if inputs.content is None else "stylize"
    kind = kind if inputs.styles else "reconstruct"
    settings = record.recipe.to_dict()
    base = KINDS[kind].base().to_dict()

    def as_json(given: Input) -> dict[str, Any]:
        here = named(given.sha256)
        name = given.path.replace("\\", "/").rpartition("/")[2] if here is None else here["name"]
        return {"name": name, "sha256": given.sha256, "picture": here and here["id"]}

    found = vars(inputs.map(as_json))
    return {
        "kind": kind,
        "finished": record.finished,
        "settings": settings,
        "changed": {name: value for name, value in settings.items() if value != base[name]},
        "inputs": {name: list(v) if isinstance(v, tuple) else v for name, v in found.items()},
        "versions": dict(record.versions),
        "command": join(command),
    }
