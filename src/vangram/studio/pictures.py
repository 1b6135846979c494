"""Uploaded pictures: each is kept once, under an id made from its bytes."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from vangram.errors import OutputError
from vangram.storage.files import quoted, reason, sha256_of
from vangram.studio.folder import Folder
from vangram.studio.reader import Reader
from vangram.studio.refusals import Refused, missing
from vangram.studio.store import Store

ID = 20
"""Number of digits of the SHA-256 that are a picture's id."""
LONGEST_NAME = 120
"""Most characters of a name that is shown."""
TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".tif": "image/tiff"}
"""Suffix of a kept file -> its media type."""
SIGNATURES = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"RIFF": ".webp", b"II": ".tif"}
"""First bytes of a file -> its suffix; another picture's suffix is that of a TIFF."""


@dataclass(frozen=True)
class Received:
    """An uploaded file, complete and on the disk."""

    path: Path
    """Path in the folder of unchecked uploads."""
    name: str
    """Name for display; never used as a path."""
    sha256: str
    bytes: int
    suffix: str


class Pictures:
    """The uploaded pictures.

    Args:
        folder: holds the files.
        store: holds their descriptions.
        reader: reads them.
        largest: pixels of a picture.
    """

    def __init__(self, folder: Folder, store: Store, reader: Reader, largest: int) -> None:
        self.folder, self.store, self.reader, self.largest = folder, store, reader, largest

    async def add(self, received: Received) -> tuple[dict[str, Any], bool]:
        """Check and keep an uploaded picture; returns it, and whether it is new.

        Raises:
            Refused: it is none, or one that cannot be used.
        """
        id = received.sha256[:ID]
        try:
            known = self.store.picture(id)
            if known is not None and self.path(known).exists():
                named = known | {"name": received.name}
                self.store.save_picture(id, time.time(), named)
                return named, False
            noted = await self.inspect(received.path, received.name, self.folder.thumbnail(id))
            values = {
                "id": id,
                "name": received.name,
                "bytes": received.bytes,
                "created": now(),
                "size": noted["size"],
                "alpha": noted["alpha"],
                "notes": noted["notes"],
                "record": noted["record"],
                "sha256": received.sha256,
                "suffix": received.suffix,
            }
            os.replace(received.path, self.path(values))
            self.store.save_picture(id, time.time(), values)
            return values, True
        finally:
            with suppress(OSError):
                received.path.unlink()

    async def inspect(self, path: Path, name: str, thumbnail: Path | None) -> dict[str, Any]:
        """Decode a whole picture, as the command line does.

        Args:
            path: of the file.
            name: what refusals call it.
            thumbnail: where one is to be written.

        Raises:
            Refused: it is no picture, or one that cannot be used.
        """
        try:
            return await self.reader.ask(
                "inspect",
                path=str(path),
                thumbnail=None if thumbnail is None else str(thumbnail),
                largest=self.largest,
            )
        except Refused as refused:
            said = refused.detail.replace(quoted(path), quoted(name))
            raise Refused(refused.status_code, said, refused.kind) from None

    def get(self, id: str) -> dict[str, Any]:
        """The saved description of a picture.

        Raises:
            Refused: there is none of this id.
        """
        values = self.store.picture(id)
        if values is None or not self.path(values).exists():
            raise missing("picture of this id")
        return values

    def path(self, values: dict[str, Any]) -> Path:
        """Path of a picture."""
        return self.folder.pictures / f"{values['id']}{values['suffix']}"

    def paths(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Name -> path or paths, from ids.

        Raises:
            Refused: there is none of an id.
        """

        def path(id: str) -> str:
            values = self.store.picture(id)
            if values is None or not self.path(values).exists():
                raise Refused(422, f"there is no picture {id!r}; upload it first", "PictureError")
            return str(self.path(values))

        return {
            name: list(map(path, value)) if isinstance(value, list) else value and path(value)
            for name, value in inputs.items()
        }

    def said(self, line: str, ids: Iterable[str]) -> str:
        """A line in which pictures have their own names instead of the paths of kept files."""
        for values in filter(None, map(self.store.picture, ids)):
            line = line.replace(quoted(self.path(values)), quoted(values["name"]))
        return line

    def use(self, ids: Iterable[str]) -> None:
        """Save the time at which pictures were used last."""
        self.store.use_pictures(ids, time.time())

    def named(self, sha256: str | None) -> dict[str, Any] | None:
        """The uploaded picture with this SHA-256, if any."""
        values = None if sha256 is None else self.store.picture(sha256[:ID])
        return values if values is not None and values["sha256"] == sha256 else None

    async def receive(self, content_type: str, stream: AsyncIterator[bytes]) -> Received:
        """Receive a form with one field, `file`, and write it to the disk as it arrives.

        Raises:
            Refused: it is no such form.
            OutputError: it cannot be written.
        """
        path = self.folder.incoming / secrets.token_hex(16)
        try:
            with writing(path), path.open("xb") as handle:
                form = _Form(content_type, handle)
                async for chunk in stream:
                    form.feed(chunk)
                form.finish()
                handle.flush()
                await asyncio.to_thread(os.fsync, handle.fileno())
            return Received(
                path, form.name, form.digest.hexdigest(), form.bytes, suffix_of(form.start)
            )
        except BaseException:
            with suppress(OSError):
                path.unlink()
            raise

    async def adopt(self, source: Path, name: str) -> tuple[dict[str, Any], bool]:
        """Keep a copy of a file of this machine, as if it were uploaded."""
        path = self.folder.incoming / secrets.token_hex(16)
        with writing(path):
            await asyncio.to_thread(shutil.copyfile, source, path)
            with path.open("rb") as handle:
                start = handle.read(4)
                digest = await asyncio.to_thread(sha256_of, handle)
        size = path.stat().st_size
        return await self.add(Received(path, shown(name), digest, size, suffix_of(start)))


class _Form:
    """Parser of a multipart form, RFC 7578, that writes its one field, `file`, as it arrives."""

    def __init__(self, content_type: str, handle: BinaryIO) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise _no_form()
        self.handle = handle
        self.digest = hashlib.sha256()
        self.name, self.start, self.bytes = "", b"", 0
        self.found = self.inside = self.complete = False
        self.header = [b"", b""]
        self.disposition = b""
        self.parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_part_data": self._data,
                "on_header_field": lambda data, start, end: self._header(0, data[start:end]),
                "on_header_value": lambda data, start, end: self._header(1, data[start:end]),
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_end,
                "on_end": self._end,
            },
        )

    def feed(self, chunk: bytes) -> None:
        """Parse the next chunk."""
        try:
            self.parser.write(chunk)
        except FormParserError:
            raise _no_form() from None

    def finish(self) -> None:
        """Check that the form is complete."""
        if not (self.found and self.complete):
            raise _no_form()

    def _begin(self) -> None:
        self.header, self.disposition, self.inside = [b"", b""], b"", False

    def _header(self, which: int, data: bytes) -> None:
        self.header[which] += data

    def _header_end(self) -> None:
        if self.header[0].lower() == b"content-disposition":
            self.disposition = self.header[1]
        self.header = [b"", b""]

    def _headers_end(self) -> None:
        _, options = parse_options_header(self.disposition)
        if options.get(b"name") != b"file":
            return
        if self.found:
            raise _no_form()
        self.found = self.inside = True
        self.name = shown(options.get(b"filename", b"").decode("utf-8", "replace"))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self.inside:
            part = data[start:end]
            self.start = (self.start + part[:4])[:4]
            self.handle.write(part)
            self.digest.update(part)
            self.bytes += len(part)

    def _end(self) -> None:
        self.complete = True


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an `OSError` of the disk into an `OutputError`."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{quoted(path.parent)} cannot be written to ({reason(error)}); free some space"
        ) from None


def shown(name: str) -> str:
    """The last part of a name from outside, printable and of limited length, for display."""
    last = name.replace("\\", "/").rpartition("/")[2]
    printable = "".join(letter for letter in last if letter.isprintable())
    return " ".join(printable.split())[:LONGEST_NAME] or "picture"


def suffix_of(start: bytes) -> str:
    """The suffix that a file is kept under, by its first bytes."""
    found = (suffix for known, suffix in SIGNATURES.items() if start.startswith(known))
    return next(found, ".tif")


def now() -> str:
    """The present time in the form of the HTTP interface."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def _no_form() -> Refused:
    return Refused(400, "this is no multipart form with one field `file`; send a picture as such")
