"""The checkpoint beside a picture in the making: written now and then, gone when it is made."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from vangram.errors import CheckpointError, OutputError
from vangram.optimize import RunState, Step
from vangram.run import Checkpoint, read_checkpoint, write_checkpoint
from vangram.run.attempts import Attempts
from vangram.settings.record import Record

if sys.platform != "win32":
    import fcntl

SECONDS_BETWEEN_CHECKPOINTS = 30.0
LARGEST_SHARE = 0.05
"""Of the time, that checkpoints may take; those at a level's end, which are small, aside."""


class Checkpoints:
    """The checkpoint of one run, which is named by its output.

    Args:
        output: where the picture goes; the checkpoint lies beside it.
        warn: told the line of a checkpoint that cannot be written.
    """

    def __init__(self, output: Path, warn: Callable[[str], object]) -> None:
        self.path = checkpoint_path(output)
        self.record: Record | None = None
        self.position: RunState | None = None
        self.resumed = False
        self.written: tuple[int, int] | None = None
        self.level_ended = False
        self.due = 0.0
        self.attempt = Attempts(warn)
        self.lock: BinaryIO | None = None

    def read(self) -> Record:
        """Take an earlier run up; its record.

        Raises:
            CheckpointError: the checkpoint cannot be used, or another process is at work on it.
        """
        self.lock = claim(self.path)
        checkpoint = read_checkpoint(self.path)
        self.record, self.position, self.resumed = checkpoint.record, checkpoint.position, True
        return checkpoint.record

    def discard(self) -> None:
        """Begin anew, whatever was read."""
        self.resumed, self.position = False, None

    def begin(self, record: Record) -> RunState | None:
        """Begin to keep a run; where it goes on from, handed over for good to save its memory."""
        self.record = record
        position, self.position = self.position, None
        if not self.resumed:
            self.remove()  # of another run: were this one's not written, it would be taken for it
            self._write(None)
        self.written = _place(position)
        self.due = time.monotonic() + SECONDS_BETWEEN_CHECKPOINTS
        return position

    def add(self, step: Step) -> None:
        """Write one if it is time; one that cannot be written costs a warning."""
        ended_early = step.number == 1 and step.level.number > 1 and not self.level_ended
        self.level_ended = step.last
        if self.level_ended or ended_early or time.monotonic() >= self.due:
            self._write(step.state)

    def stop(self, position: RunState | None) -> bool:
        """Keep where a run was stopped; whether it can go on from there, or nearly."""
        if position is None and not self.resumed:
            self.remove()
        elif _place(position) != self.written:
            self._write(position)
        return self.path.exists()

    def remove(self) -> None:
        """There is nothing left to go on with."""
        for path in (self.path, Path(f"{self.path}.part")):
            with suppress(OSError):
                path.unlink()

    def close(self) -> None:
        """Let others at the checkpoint."""
        if self.lock is not None:
            self.lock.close()

    def _write(self, position: RunState | None) -> None:
        assert self.record is not None
        checkpoint, started = Checkpoint(self.record, position), time.monotonic()
        if self.attempt(lambda: write_checkpoint(self.path, checkpoint)):
            self.written = _place(position)
            self.close()
            with suppress(CheckpointError):  # somebody was faster by microseconds
                self.lock = claim(self.path)
        ended = time.monotonic()
        pause = max(SECONDS_BETWEEN_CHECKPOINTS, (ended - started) / LARGEST_SHARE)
        self.due = ended + pause


def checkpoint_path(output: Path) -> Path:
    """Where the checkpoint of a picture lies."""
    return Path(f"{output}.checkpoint")


def continued(was: Record, now: Record) -> Record:
    """The record of a run that goes on.

    Args:
        was: of the checkpoint.
        now: of the run prepared to go on with it.

    Raises:
        CheckpointError: an input or the network is not what the run began with.
    """
    for change in was.changes(now):
        raise CheckpointError(
            f"{change}; a run goes on with what it began with, or starts anew with"
            " `vangram stylize --force`"
        )
    return was.continued(now)


def check_unfinished(output: Path, *, force: bool) -> None:
    """Refuse to begin a run where an earlier one can go on.

    Raises:
        OutputError: it can, and `force` is not given.
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
