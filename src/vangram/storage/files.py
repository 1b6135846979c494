"""Files on disk: atomic writes, checksums, and one-line descriptions of paths and errors."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Literal

from vangram.errors import ExistsError, OutputError
from vangram.storage.locks import Lock, sweep

CHUNK = 1 << 20
"""Bytes read at a time for a checksum."""
LONGEST_PATH = 1024
"""Most characters of a path in a message; a longer text is likelier a file's content."""
LONGEST_WITH_NUL = 40
"""Most characters of a text with a NUL, which no path has, in a message."""


def quoted(path: str | os.PathLike[str]) -> str:
    """A path in quotes on one line, with special characters escaped and its length limited."""
    text = os.fspath(path)
    if len(text) > LONGEST_PATH or ("\0" in text and len(text) > LONGEST_WITH_NUL):
        return f"a text of {len(text)} characters"
    return repr(text)


def counted(number: int, noun: str) -> str:
    """A number of things, as "1 frame" or "3 frames"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def printable(text: str) -> str:
    """A text with control characters escaped, which could change what a terminal shows."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def reason(error: BaseException) -> str:
    """The text of an error on one line, without the path."""
    text = getattr(error, "strerror", None) or str(error)  # FFmpeg's errors have it as well
    return " ".join(text.split()) or type(error).__name__


def make_folder(folder: str | os.PathLike[str]) -> None:
    """Make a folder for pictures, and those above it, where they are missing.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        os.makedirs(folder, exist_ok=True)
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{quoted(folder)} cannot be a folder of pictures ({reason(error)}); choose another"
        ) from None


@contextmanager
def open_regular(
    path: str | os.PathLike[str],
    mode: Literal["rb", "wb", "ab"] = "rb",
    *,
    follow_links: bool = True,
) -> Iterator[BinaryIO]:
    """Open a file that must be no device and no pipe, which could be read without end.

    Args:
        path: of the file.
        mode: as of `open`.
        follow_links: False refuses a symbolic link.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """

    def opener(name: str, flags: int) -> int:
        flags |= getattr(os, "O_NONBLOCK", 0)  # a pipe without a writer would block
        if not follow_links:
            flags |= getattr(os, "O_NOFOLLOW", 0)
        return os.open(name, flags, 0o666)

    with open(path, mode, opener=opener) as handle:
        if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        yield handle


def sha256_of(handle: BinaryIO) -> str:
    """SHA-256 of an open file's bytes, in hexadecimal, no further than its size.

    Files of the system, as in /proc, may have no size and no end.

    Raises:
        OSError: it cannot be read to its end.
    """
    from hashlib import sha256  # loads OpenSSL, which the command line's help can do without

    digest, left = sha256(), handle.seek(0, os.SEEK_END)
    handle.seek(0)
    while chunk := handle.read(min(CHUNK, left)):
        digest.update(chunk)
        left -= len(chunk)
    return digest.hexdigest()


@contextmanager
def replacing(
    path: str | os.PathLike[str],
    part: str | os.PathLike[str] | None = None,
    *,
    follow_links: bool = True,
    overwrite: bool = True,
) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` when it is complete, or is removed.

    Args:
        path: destination; of a symbolic link, the file that it points to.
        part: name of the temporary file, beside `path`; None: a random one, and what killed
            processes have left under such names is removed first. A fixed name allows one writer at
            a time.
        follow_links: False replaces a symbolic link itself.
        overwrite: False refuses to replace a file, even one that appears while this one is written.

    Raises:
        ExistsError: there is a file, which may not be overwritten.
        OutputError: the file cannot be written; an existing file is unchanged.
    """
    target = os.path.realpath(path) if follow_links else os.path.abspath(path)
    folder = os.path.dirname(target)
    temporary = os.path.join(folder, part or f".vangram-{os.urandom(8).hex()}.part")
    try:
        sweep(folder)
        # Not `tempfile`: its files are readable by their owner only.
        lock = Lock(temporary)  # keeps other processes from sweeping it
        try:
            os.truncate(lock.descriptor, 0)
            with open(lock.descriptor, "wb", closefd=sys.platform == "win32") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            if overwrite:
                os.replace(temporary, target)
            elif not _moved(temporary, target):
                raise ExistsError(f"{quoted(path)} exists already; choose another name")
            lock.release(remove=False)
        except BaseException:
            lock.release()
            raise
    except OSError as error:
        raise OutputError(
            f"{quoted(path)} cannot be written ({reason(error)});"
            " free some space or choose another place"
        ) from error


def _moved(path: str, target: str) -> bool:
    """Rename a file unless another one has the new name; returns whether it was renamed."""
    try:
        os.link(path, target)
    except FileExistsError:
        return False
    except OSError:  # the file system has no hard links
        try:
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        os.replace(path, target)
    else:
        os.unlink(path)
    return True
