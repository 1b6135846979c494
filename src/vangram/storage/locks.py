"""Locks between processes, which the system releases when a process ends, however it ends."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress

from vangram.errors import BusyError

if sys.platform != "win32":
    import fcntl

LEFTOVER = re.compile(r"\.vangram-([0-9a-f]{16}\.part|.+\.lock)", re.DOTALL)
"""Names of temporary files and locks that killed processes leave behind."""

SECONDS_BETWEEN_TRIES = 0.5
"""Pause before another try where other processes are at work on all that is left."""

_swept: set[str] = set()
"""Folders that this process has swept."""


class Lock:
    """A file that only this process has locked, until it is released or the process ends.

    The file is removed before it is unlocked; a process that then locks the removed file notices
    and tries again. (`filelock` leaves its files behind, unexplained among a user's pictures.)

    Args:
        path: of the file; it is created if missing.
        wait: wait until another process releases it.

    Raises:
        BlockingIOError: another process has it.
        OSError: it cannot be created.
    """

    def __init__(self, path: str, *, wait: bool = False) -> None:
        self.path = path
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        while True:
            self.descriptor = os.open(path, flags, 0o666)
            try:
                self.held = _locked(self.descriptor, wait)
                if not self.held or self._is_there():
                    return
            except BaseException:
                os.close(self.descriptor)
                raise
            os.close(self.descriptor)

    def release(self, *, remove: bool = True) -> None:
        """Unlock the file, and remove it first unless told otherwise."""
        if remove:
            with suppress(OSError):
                os.unlink(self.path)
        with suppress(OSError):
            os.close(self.descriptor)

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self.descriptor), os.lstat(self.path))
        except FileNotFoundError:
            return False


def claim(path: str | os.PathLike[str], *, wait: bool = False) -> Lock | None:
    """Lock a file, which need not exist, for this process, by a lock beside it.

    Returns:
        The lock; None where none can be created, for a reason that writing the file reports.

    Raises:
        BusyError: another process is at work on it.
    """
    folder, name = os.path.split(os.path.realpath(path))
    sweep(folder)
    try:
        return Lock(os.path.join(folder, f".vangram-{name}.lock"), wait=wait)
    except BlockingIOError:
        raise BusyError(
            f"another process is at work on {os.fspath(path)!r}; wait for it, or stop it"
        ) from None
    except (OSError, ValueError):
        return None


def sweep(folder: str) -> None:
    """Remove the files that killed processes have left in a folder; once in each process.

    Files of processes at work are locked. Where the file system has no locks, nothing is removed.
    """
    if folder in _swept:
        return
    _swept.add(folder)
    with suppress(OSError, ValueError):
        for name in filter(LEFTOVER.fullmatch, os.listdir(folder)):
            with suppress(OSError):
                lock = Lock(os.path.join(folder, name))
                lock.release(remove=lock.held)


def _locked(descriptor: int, wait: bool) -> bool:
    """Lock an open file; returns False where the file system has no locks."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except (BlockingIOError, PermissionError) as error:  # the latter on some file systems
        raise BlockingIOError(*error.args) from None
    except OSError:
        return False
    return True
