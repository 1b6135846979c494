"""Writes the checkpoint beside an unfinished picture now and then, and removes it at the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from vangram.optimize import RunState, Step
from vangram.run.checkpoint_file import Checkpoint, read_checkpoint, write_checkpoint
from vangram.run.side_writes import SideWrites
from vangram.settings.record import Record
from vangram.storage.locks import claim
from vangram.storage.places import Place

SUFFIX = ".checkpoint"
"""What a checkpoint's name has behind its picture's."""
SECONDS_BETWEEN_CHECKPOINTS = 30.0
LARGEST_SHARE = 0.05
"""Largest share of the time for checkpoints, except those at a level's end, which are small."""


class Checkpointer:
    """Writes, reads and removes the checkpoint of one run, and locks its output.

    Args:
        output: path of the picture; the checkpoint is beside it.
        warn: called with the line of a checkpoint that cannot be written.
        force: overwrite whatever is at the output's place when the run ends.

    Raises:
        BusyError: another process is at work on this output.
    """

    def __init__(self, output: Path, warn: Callable[[str], object], *, force: bool = False) -> None:
        self.lock = claim(output)
        self.output = output
        self.place = Place(output, force=force)
        self.path = checkpoint_path(output)
        self.record: Record | None = None
        self.position: RunState | None = None
        self.resumed = False
        self.written: tuple[int, int] | None = None
        self.level_ended = False
        self.writes = SideWrites(warn, SECONDS_BETWEEN_CHECKPOINTS, LARGEST_SHARE)

    def read(self) -> Record:
        """Continue an earlier run; returns its record.

        Raises:
            CheckpointError: the checkpoint cannot be used.
        """
        checkpoint = read_checkpoint(self.path)
        self.record, self.position, self.resumed = checkpoint.record, checkpoint.position, True
        return checkpoint.record

    def discard(self) -> None:
        """Forget the checkpoint that was read, and begin anew."""
        self.resumed, self.position = False, None

    def begin(self, record: Record) -> RunState | None:
        """Begin the checkpoints of a run; returns the state to continue from, or None.

        No reference to the state, which holds large tensors, is kept here.
        """
        self.record = record
        position, self.position = self.position, None
        if not self.resumed:
            self.remove()  # another run's, which would be taken for this run's if writing failed
            self._write(None)
        self.written = _reached(position)
        return position

    def add(self, step: Step) -> None:
        """Write a checkpoint of a step, if one is due; a failure is a warning."""
        ended_early = step.number == 1 and step.level.number > 1 and not self.level_ended
        self.level_ended = step.last
        if self.level_ended or ended_early or self.writes.is_due:
            self._write(step.state)

    def stop(self, position: RunState | None) -> bool:
        """Write the state of a run that was stopped; returns whether it can be resumed."""
        if position is None and not self.resumed:
            self.remove()
        elif _reached(position) != self.written:
            self._write(position)
        return self.path.exists()

    def remove(self) -> None:
        """Remove the checkpoint."""
        for path in (self.path, Path(f"{self.path}.part")):
            with suppress(OSError):
                path.unlink()

    def close(self) -> None:
        """Unlock the output for other processes."""
        if self.lock is not None:
            self.lock.release()
            self.lock = None

    def _write(self, position: RunState | None) -> None:
        assert self.record is not None
        checkpoint = Checkpoint(self.record, position)
        if self.writes(lambda: write_checkpoint(self.path, checkpoint)):
            self.written = _reached(position)


def checkpoint_path(output: Path) -> Path:
    """Path of a picture's checkpoint."""
    return Path(f"{output}{SUFFIX}")


def _reached(position: RunState | None) -> tuple[int, int]:
    """(level, step) of a state; (0, 0) before the first step."""
    return (position.level, position.level_state.number) if position else (0, 0)
