"""What a picture says of how it was made, as the interface tells it."""

from __future__ import annotations

import os
from dataclasses import replace
from shlex import join
from typing import Any

from vangram.settings.command import command_of
from vangram.settings.record import Input, Record
from vangram.studio.pictures import Pictures
from vangram.studio.requests import KINDS


def recipe_of(record: Record, pictures: Pictures, output: str = "picture.png") -> dict[str, Any]:
    """A record: kind, settings, inputs, the command.

    Args:
        record: of the picture.
        pictures: those that were uploaded; the command reads what is there from there.
        output: where the command is to write; other inputs' paths are relative to its folder.
    """
    inputs = record.inputs
    kind = "texture" if inputs.content is None else "stylize"
    kind = kind if inputs.styles else "reconstruct"
    settings = record.recipe.to_dict()
    base = KINDS[kind].base().to_dict()

    def told(given: Input) -> dict[str, Any]:
        here = pictures.named(given.sha256)
        name = given.path.replace("\\", "/").rpartition("/")[2] if here is None else here["name"]
        return {"name": name, "sha256": given.sha256, "picture": here and here["id"]}

    def found_again(given: Input) -> Input:
        here = pictures.named(given.sha256)
        beside = os.path.join(os.path.dirname(output), given.path)
        return replace(given, path=beside if here is None else str(pictures.path(here)))

    found = vars(inputs.map(told))
    return {
        "kind": kind,
        "finished": record.finished,
        "settings": settings,
        "changed": {name: value for name, value in settings.items() if value != base[name]},
        "inputs": {name: list(v) if isinstance(v, tuple) else v for name, v in found.items()},
        "versions": dict(record.versions),
        "command": join(command_of(replace(record, inputs=inputs.map(found_again)), output)),
    }
