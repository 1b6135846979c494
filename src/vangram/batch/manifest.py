"""The manifests in a batch's folder: one for all pictures, or one for each shard; their summary."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vangram.batch.shards import Shard
from vangram.errors import InputError, OutputError
from vangram.run.checkpointer import checkpoint_path
from vangram.run.recipe_file import recorded_or_none
from vangram.settings.recipe import Recipe
from vangram.storage.files import open_regular, quoted, reason

MANIFEST = "batch.json"
MANIFEST_NAME = re.compile(r"batch(?:-(\d{1,5})-of-(\d{1,5}))?\.json", re.ASCII)
"""Pattern of a manifest's file name."""
FORMAT = 1
"""Version of the manifest's form."""

DAMAGE = OSError, ValueError, TypeError, KeyError, RecursionError
"""Exceptions that reading a damaged manifest raises."""


def manifest_name(shard: Shard | None) -> str:
    """File name of the manifest of a shard; None: of all pictures."""
    return MANIFEST if shard is None else f"batch-{shard.number}-of-{shard.of}.json"


def manifests_in(folder: Path) -> list[Path]:
    """All manifests in a folder, the last written last.

    Raises:
        OSError: the folder cannot be read.
    """
    if not folder.exists():
        return []
    found = [path for path in folder.iterdir() if MANIFEST_NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))


def pictures_in(manifest: Path) -> dict[str, dict[str, Any]]:
    """The pictures that a manifest lists, by name.

    Raises:
        one of `DAMAGE`: it is missing, or no manifest.
    """
    with open_regular(manifest) as handle:
        listed = json.load(handle)["pictures"]
    for picture in listed:
        if not isinstance(picture["picture"], str):
            raise TypeError("the name of a picture is no text")
    return {picture["picture"]: dict(picture) for picture in listed}


def is_same(recorded: Recipe, recipe: Recipe) -> bool:
    """Whether a run with `recipe` may have recorded `recorded`.

    A run that was limited by its memory records it, even if the recipe does not set it.
    """
    memory = recorded.memory if recipe.memory is not None else None
    return recorded.replace(memory=memory) == recipe


@dataclass
class Status:
    """The pictures that all manifests of a folder list, by their states."""

    made: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    """Name of each failed picture -> its error."""
    begun: set[str] = field(default_factory=set)
    """Names of unfinished pictures that have a checkpoint."""
    missing: set[str] = field(default_factory=set)
    """Names of pictures that are neither made nor failed nor begun."""
    idle: list[Shard] = field(default_factory=list)
    """Shards that have not begun, whose pictures are not known."""

    @property
    def complete(self) -> bool:
        """Whether nothing is left to make."""
        return not (self.begun or self.missing or self.idle)


def read_status(folder: Path) -> Status:
    """Sum up the manifests of a folder; the pictures themselves tell which are made.

    Raises:
        OutputError: there is no manifest, or one that cannot be read.
    """
    listed: dict[str, dict[str, Any]] = {}
    try:
        manifests = manifests_in(folder)
    except OSError as error:
        raise OutputError(f"{quoted(folder)} cannot be read ({reason(error)}); check -o") from None
    if not manifests:
        raise OutputError(f"no batch has begun in {quoted(folder)}; check -o")
    status = Status()
    for path in manifests:
        try:
            for name, picture in pictures_in(path).items():
                listed[name] = picture | {"recipe": Recipe.from_dict(picture["recipe"])}
        except (*DAMAGE, InputError) as error:
            raise OutputError(
                f"{quoted(path)} is no list of a batch ({reason(error)}); move it elsewhere"
            ) from None
    for name, picture in listed.items():
        _add(status, folder / os.path.basename(name), name, picture)
    shards = [shard for path in manifests if (shard := _shard_of(path)) is not None]
    if len(shards) == len(manifests):  # else one lists all pictures, those of all shards too
        of, begun = shards[-1].of, set(shards)  # the last split, where there were several
        status.idle = [shard for k in range(of) if (shard := Shard(k, of)) not in begun]
    return status


def _add(status: Status, path: Path, name: str, picture: Mapping[str, Any]) -> None:
    record, error = recorded_or_none(path), picture.get("error")
    if record is not None and record.finished and is_same(record.recipe, picture["recipe"]):
        status.made.add(name)
    elif picture.get("state") == "failed":
        status.failed[name] = str(error)
    elif checkpoint_path(path).exists():
        status.begun.add(name)
    else:
        status.missing.add(name)


def _shard_of(manifest: Path) -> Shard | None:
    found = MANIFEST_NAME.fullmatch(manifest.name)
    return Shard(int(found[1]), int(found[2])) if found and found[1] else None
