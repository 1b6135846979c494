"""The reader's process: reads pictures and plans runs, one request at a time."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from vangram.errors import VangramError
from vangram.images import read_picture, read_recipe, write_picture
from vangram.images.quality import THUMBNAIL_QUALITY
from vangram.networks import parameters_path
from vangram.networks.registry import NETWORKS
from vangram.studio.messages import Pipe
from vangram.studio.planning import plan
from vangram.studio.refusals import status_of
from vangram.studio.sizes import THUMBNAIL
from vangram.studio.tiles import Tiles, thumbnail

NICE = 5
"""Niceness of the process: viewers must not slow down the run."""


def main() -> None:
    """Answer requests until the server ends."""
    pipe, tiles = Pipe(), Tiles()
    with suppress(OSError, AttributeError):
        os.nice(NICE)
    known: dict[str, Callable[..., dict[str, Any]]] = {
        "inspect": inspect,
        "describe": describe,
        "plan": plan,
        "networks": networks,
        "tile": lambda **asked: tile(tiles, **asked),
    }
    while (message := pipe.receive()) is not None:
        pipe.send(**answer(known[message.pop("what")], message))


def answer(do: Callable[..., dict[str, Any]], asked: dict[str, Any]) -> dict[str, Any]:
    """The result of a request, or the error as one line."""
    try:
        return do(**asked)
    except VangramError as error:
        return _refused(status_of(error), str(error), type(error).__name__)
    except MemoryError:
        return _refused(422, "the memory does not suffice for this picture; use a smaller one")
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        return _refused(500, f"unexpected: {what}; please report it")


def inspect(path: str, thumbnail: str | None, largest: int) -> dict[str, Any]:
    """Read a whole picture and write its thumbnail: size, notes, record."""
    picture = read_picture(path, largest=largest)
    record = read_recipe(path)
    notes = []
    if picture.alpha is not None:
        notes.append("it is partly transparent: those parts stay transparent in the result")
    if record is not None:
        notes.append("it was made by VanGram: its settings can be used again")
    if thumbnail is not None:
        _write_thumbnail(picture.pixels, picture.alpha, thumbnail)
    height, width = picture.size
    return {
        "size": {"width": width, "height": height},
        "alpha": picture.alpha is not None,
        "notes": notes,
        "record": record,
    }


def describe(path: str, thumbnail: str, largest: int) -> dict[str, Any]:
    """As `inspect`, but a picture without a record is not decoded."""
    return {"record": None} if read_recipe(path) is None else inspect(path, thumbnail, largest)


def tile(
    tiles: Tiles, path: str, key: str, level: int, column: int, row: int, output: str
) -> dict[str, Any]:
    """Write a tile of a picture; the answer says whether there is such a tile."""
    pixels = tiles.tile(path, key, level, column, row)
    if pixels is not None:
        write_picture(output, pixels)
    return {"there": pixels is not None}


def networks() -> dict[str, Any]:
    """Every network, and whether its parameters are on this machine."""
    found = [{"name": name, "here": parameters_path(name).exists()} for name in NETWORKS]
    return {"networks": found}


def _write_thumbnail(pixels: Any, alpha: Any, path: str) -> None:
    write_picture(Path(path), thumbnail(pixels, alpha, THUMBNAIL), quality=THUMBNAIL_QUALITY)


def _refused(status: int, message: str, kind: str = "VangramError") -> dict[str, Any]:
    return {"refused": {"status": status, "message": message, "kind": kind}}


if __name__ == "__main__":
    main()
