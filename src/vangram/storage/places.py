"""Outputs written after long work: no file that has appeared at their path is overwritten."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from vangram.errors import ExistsError

Write = Callable[[Path, bool], object]
"""Writes a file to a path; the second argument allows overwriting.

Raises an `ExistsError` where that is not allowed, and there is a file.
"""


class Place:
    """The path of an output, or a free name beside it once another program has put a file there.

    Args:
        path: of the file.
        force: overwrite any file that is there.
    """

    def __init__(self, path: Path, *, force: bool = False) -> None:
        self.path = path
        self.force = force
        self.ours: tuple[int, ...] | None = None
        """Identity of the file that may be overwritten; None: there is none."""

    def accept(self) -> None:
        """Allow the file that is there now to be overwritten."""
        self.ours = _identity(self.path)

    def write(self, write: Write) -> Path:
        """Write to the path, or where a file has appeared, under a free name beside it.

        Returns:
            The path of the file, to which the next call writes as well.

        Raises:
            OutputError: it cannot be written.
        """
        wanted = self.path
        for number in itertools.count(2):
            allowed = self.force or (self.ours is not None and _identity(self.path) == self.ours)
            with suppress(ExistsError):
                write(self.path, allowed)
                break
            self.path, self.ours = wanted.with_stem(f"{wanted.stem}-{number}"), None
        self.accept()
        return self.path


def _identity(path: Path) -> tuple[int, ...] | None:
    """Numbers that change when the file at a path is replaced; None without a file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
