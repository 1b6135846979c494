"""Files on disk: replaced whole or not at all, and told of in words that fit on one line."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from vangram.errors import OutputError

CHUNK = 1 << 20
"""Bytes read at a time for a checksum."""


def quoted(path: str | os.PathLike[str]) -> str:
    """Quote a path for a message: one line, whatever its characters."""
    return repr(os.fspath(path))


def reason(error: BaseException) -> str:
    """Say what went wrong on one line, without the path that the message already quotes."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


def sha256_of(handle: BinaryIO) -> str:
    """Give the SHA-256 of an open file's bytes, in hexadecimal.

    Raises:
        OSError: it cannot be read to its end.
    """
    digest = hashlib.sha256()
    handle.seek(0)
    while chunk := handle.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def replacing(
    path: str | os.PathLike[str], part: str | os.PathLike[str] | None = None
) -> Iterator[BinaryIO]:
    """Open a file to write, which takes a path's place when it is complete, or never.

    Args:
        path: where it goes; a link stays a link, the file it points to is replaced.
        part: what the file is called until then, beside `path`; a name of its own if None. A name
            that stays the same bounds what killed processes leave behind to one file, but serves
            one process at a time.

    Raises:
        OutputError: it cannot be written; the old file, if any, is untouched.
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    temporary = os.path.join(folder, part or f".vangram-{secrets.token_hex(8)}.part")
    try:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        try:
            # Not `tempfile`, whose files only their owner may read.
            with open(temporary, "xb") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(temporary, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise OutputError(
            f"{quoted(path)} cannot be written ({reason(error)});"
            " free some space or choose another place"
        ) from error
