"""The history: every picture in the output folder that carries a recipe, from any program."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from vangram.errors import RecipeError
from vangram.settings.record import Record
from vangram.studio.folder import Folder
from vangram.studio.pictures import Pictures, writing
from vangram.studio.reader import LATER, NOW, Reader
from vangram.studio.records import recipe_of
from vangram.studio.refusals import Refused, conflict, missing
from vangram.studio.store import Store

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
LARGEST = 400_000_000
"""Most pixels of a picture that is read; results may be larger than uploads."""


@dataclass(frozen=True)
class File:
    """A file in the output folder that may be a picture."""

    name: str
    bytes: int
    modified: int
    """Time of the last change in nanoseconds."""

    @property
    def id(self) -> str:
        """Id of the file, safe in a path, unlike its name."""
        return id_of(self.name)

    @property
    def version(self) -> str:
        """Key of this version of the file; it changes with its time and size."""
        return f"{self.modified}-{self.bytes}"

    @property
    def place(self) -> str:
        """Sort key of the history, largest for the newest file."""
        return f"{max(self.modified, 0):020d}.{self.id}"

    @property
    def key(self) -> str:
        """Name of the thumbnail of this version."""
        return hashlib.sha256(f"{self.name}/{self.version}".encode()).hexdigest()[:24]


def id_of(name: str) -> str:
    """The id of a file of the output folder."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]


class History:
    """Reads the pictures in the output folder, and saves their descriptions.

    Args:
        folder: the output folder.
        store: what has been read, and which pictures have a star.
        reader: reads them.
        pictures: finds uploads by their bytes.
    """

    def __init__(self, folder: Folder, store: Store, reader: Reader, pictures: Pictures) -> None:
        self.folder, self.store, self.reader, self.pictures = folder, store, reader, pictures
        self.described = store.described()
        self.starred = store.starred()
        self.texts: dict[str, str] = {}
        """Key of a file -> the text that a search looks at."""
        self.busy: set[str] = set()
        """Names of files that running jobs write; these are not deleted."""

    def files(self) -> list[File]:
        """Files that may be pictures, newest first."""
        found = []
        with suppress(OSError), os.scandir(self.folder.root) as entries:
            for entry in entries:
                if not entry.name.lower().endswith(SUFFIXES) or entry.name.startswith("."):
                    continue
                with suppress(OSError, UnicodeEncodeError):
                    entry.name.encode()  # JSON has no names that are not UTF-8
                    if entry.is_file(follow_symlinks=False):
                        status = entry.stat(follow_symlinks=False)
                        found.append(File(entry.name, status.st_size, status.st_mtime_ns))
        return sorted(found, key=lambda file: file.place, reverse=True)

    def find(self, id: str) -> File:
        """The file with an id.

        Raises:
            Refused: there is none.
        """
        found = next((file for file in self.files() if file.id == id), None)
        if found is None:
            raise missing("picture of this id in the history")
        return found

    async def describe(self, file: File, urgency: int = NOW) -> dict[str, Any] | None:
        """Size, record and version of a picture; None for a file that carries no record."""
        version, values = self.described.get(file.name, ("", {}))
        if version != file.version:
            path, thumbnail = self.folder.root / file.name, self.folder.thumbnail(file.key)
            try:
                values = await self.reader.ask(
                    "describe",
                    urgency=urgency,
                    path=str(path),
                    thumbnail=str(thumbnail),
                    largest=LARGEST,
                )
                if values["record"] is not None:
                    Record.from_json(values["record"])
            except (Refused, RecipeError) as error:
                if not path.exists() or getattr(error, "status_code", 422) != 422:
                    return None  # which another time may be another answer
                values = {"record": None}
            self.described[file.name] = file.version, values
            self.store.describe(file.name, file.version, values)
        return values if values["record"] is not None else None

    async def item(self, file: File, jobs: Mapping[str, str]) -> dict[str, Any]:
        """A picture in the form of the HTTP interface.

        Args:
            file: of the picture.
            jobs: ids of jobs by the names of their pictures.

        Raises:
            Refused: it carries no recipe.
        """
        values = await self.describe(file)
        if values is None:
            raise missing("picture of this id in the history")
        modified = datetime.fromtimestamp(file.modified / 1e9, timezone.utc)
        recipe = self.recipe(values["record"], file.name)
        return {
            "id": file.id,
            "name": file.name,
            "bytes": file.bytes,
            "modified": modified.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "place": file.place,
            "size": values["size"],
            "alpha": values["alpha"],
            "starred": file.name in self.starred,
            "finished": recipe["finished"],
            "job": jobs.get(file.name),
            "recipe": recipe,
            "thumbnail": f"/api/v1/history/{file.id}/thumbnail?v={file.key}",
            "picture": f"/api/v1/history/{file.id}/picture",
            "tiles": f"/api/v1/history/{file.id}/tiles",
        }

    def recipe(self, record: str, name: str) -> dict[str, Any]:
        """A record in the form of the HTTP interface."""
        output = str(self.folder.root / name)
        return recipe_of(Record.from_json(record), self.pictures.named, output)

    async def page(
        self, jobs: Mapping[str, str], limit: int, after: str | None, query: str, starred: bool
    ) -> dict[str, Any]:
        """Pictures, newest first.

        Args:
            jobs: as above.
            limit: how many.
            after: what the last page gave as `next`.
            query: words that a picture's name, inputs or settings must all have.
            starred: only those with a star.
        """
        found: list[dict[str, Any]] = []
        words = query.lower().split()
        for file in self._after(after):
            if len(found) == limit:
                return {"pictures": found, "next": found[-1]["place"]}
            if (starred and file.name not in self.starred) or await self.describe(file) is None:
                continue
            await asyncio.sleep(0)  # a long search must not keep others waiting
            if words and not all(word in self._text(file) for word in words):
                continue
            found.append(await self.item(file, jobs))
        return {"pictures": found, "next": None}

    def _text(self, file: File) -> str:
        """The text of a picture's description in which a search looks."""
        if file.key not in self.texts:
            recipe = self.recipe(self.described[file.name][1]["record"], file.name)
            parts = [file.name, recipe["kind"], recipe["inputs"], recipe["changed"]]
            self.texts[file.key] = json.dumps(parts).lower()
        return self.texts[file.key]

    def _after(self, place: str | None) -> Iterator[File]:
        if place is not None and re.fullmatch(r"[0-9]{20}\.[0-9a-f]{16}", place) is None:
            raise Refused(422, "after is what the last page gave as next")
        for file in self.files():
            if place is None or file.place < place:
                yield file

    def star(self, file: File, starred: bool) -> None:
        """Give a picture a star, or take it away."""
        self.store.star(file.name, starred)
        self.starred = self.store.starred()

    def delete(self, file: File) -> str:
        """Move a picture, and its checkpoint, into the bin.

        Returns:
            Its id in the bin.

        Raises:
            Refused: a job is at work on it.
            OutputError: it cannot be moved.
        """
        if file.name in self.busy:
            raise conflict("a job is at work on this picture; cancel it first")
        with writing(self.folder.bin / file.name):
            self.folder.bin.mkdir(exist_ok=True)
            name = _free(self.folder.bin, file.name)
            os.rename(self.folder.root / file.name, self.folder.bin / name)
            with suppress(FileNotFoundError):
                checkpoint = self.folder.root / f"{file.name}.checkpoint"
                os.rename(checkpoint, self.folder.bin / f"{name}.checkpoint")
        return id_of(name)

    def deleted(self) -> list[dict[str, Any]]:
        """Pictures in the bin, the last deleted first."""
        found = []
        with suppress(OSError), os.scandir(self.folder.bin) as entries:
            for entry in entries:
                if entry.name.lower().endswith(SUFFIXES) and entry.is_file(follow_symlinks=False):
                    when = entry.stat().st_ctime
                    found.append((when, entry.name))
        return [
            {
                "id": id_of(name),
                "name": name,
                "deleted": datetime.fromtimestamp(when, timezone.utc)
                .isoformat(timespec="seconds")
                .replace("+00:00", "Z"),
            }
            for when, name in sorted(found, reverse=True)
        ]

    def restore(self, id: str) -> File:
        """Put a picture back from the bin.

        Raises:
            Refused: there is none of this id.
            OutputError: it cannot be moved.
        """
        deleted = next((each["name"] for each in self.deleted() if each["id"] == id), None)
        if deleted is None:
            raise missing("picture of this id in the bin")
        with writing(self.folder.root / deleted):
            name = _free(self.folder.root, deleted)
            os.rename(self.folder.bin / deleted, self.folder.root / name)
            with suppress(FileNotFoundError):
                checkpoint = self.folder.bin / f"{deleted}.checkpoint"
                os.rename(checkpoint, self.folder.root / f"{name}.checkpoint")
        return self.find(id_of(name))

    async def watch(self, changed: Any, seconds: float) -> None:
        """Report changes in the folder, by any program, until cancelled.

        Args:
            changed: called with the ids that were added, removed and changed.
            seconds: between two looks.
        """
        before = {file.name: file for file in self.files()}
        while True:
            await asyncio.sleep(seconds)
            files = {file.name: file for file in self.files()}
            new = [file for name, file in files.items() if before.get(name) != file]
            gone = [id_of(name) for name in before.keys() - files.keys()]
            for file in list(new):
                if await self.describe(file, LATER) is None:
                    new.remove(file)
            added = [file.id for file in new if file.name not in before]
            altered = [file.id for file in new if file.name in before]
            self._forget(before, files)
            before = files
            if added or gone or altered:
                changed(added, gone, altered)

    def _forget(self, before: Mapping[str, File], files: Mapping[str, File]) -> None:
        """Drop thumbnails and descriptions of versions that no longer exist."""
        for name, file in before.items():
            if files.get(name) != file:
                self.texts.pop(file.key, None)
                with suppress(OSError):
                    self.folder.thumbnail(file.key).unlink()
        gone = [name for name in self.described if name not in files]
        for name in gone:
            del self.described[name]
        if gone:
            self.store.undescribe(gone)


def _free(folder: Path, name: str) -> str:
    """A free name in the folder that is like this one."""
    stem, suffix = os.path.splitext(name)
    number = 2
    free = name
    while os.path.lexists(folder / free):
        free, number = f"{stem}-{number}{suffix}", number + 1
    return free
