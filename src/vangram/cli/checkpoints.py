"""The checkpoint beside an unfinished picture: written now and then, removed at the end."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from vangram.cli.side_writes import SideWrites
from vangram.errors import CheckpointError, OutputError
from vangram.optimize import RunState, Step
from vangram.run import Checkpoint, read_checkpoint, write_checkpoint
from vangram.settings.record import Record

if sys.platform != "win32":
    import fcntl

SECONDS_BETWEEN_CHECKPOINTS = 30.0
LARGEST_SHARE = 0.05
"""Share of the time that checkpoints may take, without those at a level's end, which are small."""


class Checkpoints:
    """The checkpoint of one run, named after its output.

    Args:
        output: path of the picture; the checkpoint is beside it.
    """

    def __init__(self, output: Path) -> None:
        self.path = checkpoint_path(output)
        self.record: Record | None = None
        self.position: RunState | None = None
        self.resumed = False
        self.written: tuple[int, int] | None = None
        self.level_ended = False
        self.due = 0.0
        self.attempt = SideWrites()
        self.lock: BinaryIO | None = None

    def read(self) -> Record:
        """Continue an earlier run; returns its record.

        Raises:
            CheckpointError: the checkpoint cannot be used, or another process is at work on it.
        """
        self.lock = claim(self.path)
        checkpoint = read_checkpoint(self.path)
        self.record, self.position, self.resumed = checkpoint.record, checkpoint.position, True
        return checkpoint.record

    def begin(self, record: Record) -> RunState | None:
        """Begin the checkpoints of a run; returns the state to continue from, and drops it here."""
        self.record = record
        position, self.position = self.position, None
        if not self.resumed:
            self.remove()  # another run's, which would be taken for this run's if writing failed
            self._write(None)
        self.written = _place(position)
        self.due = time.monotonic() + SECONDS_BETWEEN_CHECKPOINTS
        return position

    def add(self, step: Step) -> None:
        """Write a checkpoint if one is due; a failure is a warning."""
        ended_early = step.number == 1 and step.level.number > 1 and not self.level_ended
        self.level_ended = step.last
        if self.level_ended or ended_early or time.monotonic() >= self.due:
            self._write(step.state)

    def stop(self, position: RunState | None) -> bool:
        """Write where a run was stopped; returns whether it can be resumed."""
        if position is None and not self.resumed:
            self.remove()
        elif _place(position) != self.written:
            self._write(position)
        return self.path.exists()

    def remove(self) -> None:
        """Remove the checkpoint."""
        for path in (self.path, Path(f"{self.path}.part")):
            with suppress(OSError):
                path.unlink()

    def close(self) -> None:
        """Release the lock."""
        if self.lock is not None:
            self.lock.close()

    def _write(self, position: RunState | None) -> None:
        assert self.record is not None
        checkpoint, started = Checkpoint(self.record, position), time.monotonic()
        if self.attempt(lambda: write_checkpoint(self.path, checkpoint)):
            self.written = _place(position)
            self.close()
            with suppress(CheckpointError):  # another process was faster by microseconds
                self.lock = claim(self.path)
        ended = time.monotonic()
        pause = max(SECONDS_BETWEEN_CHECKPOINTS, (ended - started) / LARGEST_SHARE)
        self.due = ended + pause


def checkpoint_path(output: Path) -> Path:
    """Path of a picture's checkpoint."""
    return Path(f"{output}.checkpoint")


def check_unfinished(output: Path, *, force: bool) -> None:
    """Check that no earlier run can be resumed.

    Raises:
        OutputError: one can, and `force` is not given.
        CheckpointError: another process is at work on it.
    """
    path = checkpoint_path(output)
    if not os.path.exists(path):
        return
    lock = claim(path)
    if lock is not None:
        lock.close()
    if not force:
        raise OutputError(
            f"{str(output)!r} was begun and not finished: `vangram resume {str(output)!r}` goes on"
            " with it, --force starts anew"
        )


def claim(path: Path) -> BinaryIO | None:
    """Lock a file until it is closed or the process ends, however it ends.

    None where the file is missing, or where the system has no such locks.

    Raises:
        CheckpointError: another process has locked it.
    """
    if sys.platform == "win32":
        return None
    try:
        handle = path.open("r+b")
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise CheckpointError(
            f"another process is at work on {str(path)!r}; wait for it, or stop it"
        ) from None
    except OSError:  # a file system without locks
        handle.close()
        return None
    return handle


def _place(position: RunState | None) -> tuple[int, int]:
    return (position.level, position.level_state.number) if position else (0, 0)
