"""Opening picture files, with errors that name the file and say what to do."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from vangram.errors import PictureError
from vangram.storage.files import quoted, reason, sha256_of


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a regular, non-empty file for reading.

    Raises:
        PictureError: the file is missing, a folder, no regular file, empty, or not readable.
    """
    try:
        # Opening a pipe could block for ever.
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


def file_sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, without decoding it.

    Raises:
        PictureError: as `opened`, or reading fails.
    """
    with opened(path) as handle:
        try:
            return sha256_of(handle)
        except OSError as error:
            raise PictureError(
                f"{quoted(path)} cannot be read ({reason(error)}); copy the picture again"
            ) from None
