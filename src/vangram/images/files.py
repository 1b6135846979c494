"""Files on disk: opened with words a person can act on, replaced whole or not at all."""

import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from vangram.errors import OutputError, PictureError

CHUNK = 1 << 20
"""Bytes read at a time for a checksum."""


def quoted(path: str | os.PathLike[str]) -> str:
    """Quote a path for a message: one line, whatever its characters."""
    return repr(os.fspath(path))


def reason(error: BaseException) -> str:
    """Say what went wrong on one line, without the path that the message already quotes."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a regular, non-empty file for reading.

    Raises:
        PictureError: missing, a folder, not ours to read, no regular file, or empty.
    """
    try:
        # A pipe or a terminal would block here for ever, so it is refused before it is opened.
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise PictureError(f"{quoted(path)} is a folder; give a picture inside it")
        if not stat.S_ISREG(status.st_mode):
            raise PictureError(f"{quoted(path)} is no regular file; save the picture to one first")
        if status.st_size == 0:
            raise PictureError(f"{quoted(path)} is an empty file; copy the picture again")
        handle = open(path, "rb")  # noqa: SIM115 - closed by the `with` below
    except FileNotFoundError:
        raise PictureError(f"{quoted(path)} does not exist; check the path") from None
    except PermissionError:
        raise PictureError(f"{quoted(path)} may not be read; check its permissions") from None
    except (OSError, ValueError) as error:
        raise PictureError(
            f"{quoted(path)} cannot be opened ({reason(error)}); check the path"
        ) from None
    with handle:
        yield handle


def sha256_of(handle: BinaryIO) -> str:
    """Give the SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    handle.seek(0)
    while chunk := handle.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def replace_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that its path holds the old bytes or all the new ones, never a part.

    Raises:
        OutputError: it cannot be written; the old file, if any, is untouched.
    """
    # A link stays a link: the file it points to is replaced.
    target = os.path.realpath(path)
    temporary = os.path.join(os.path.dirname(target), f".vangram-{secrets.token_hex(8)}.part")
    try:
        try:
            # Not `tempfile`, whose files only their owner may read.
            with open(temporary, "xb") as handle:
                handle.write(data)
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
