"""The pictures of a batch, one after the other; a picture that fails is reported and skipped."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import typer

from vangram.batch import Batch, Pair, Status
from vangram.cli.interrupts import INTERRUPTS
from vangram.cli.options import Monitoring
from vangram.cli.progress import BatchPlace
from vangram.cli.runner import make_picture
from vangram.cli.streams import report, tell, warn
from vangram.errors import (
    BusyError,
    DivergedError,
    ExistsError,
    InputError,
    OutputError,
    line_of,
)
from vangram.run.checkpointer import Checkpointer
from vangram.storage.files import counted, printable
from vangram.storage.locks import SECONDS_BETWEEN_TRIES

UNFINISHED = 1
"""Exit code of `--status` where pictures are left to make."""
SKIPPED = 3
"""Exit code where some pictures failed."""


@dataclass
class BatchLog:
    """Prints each line once, and enters the outcome of each picture into the manifest."""

    batch: Batch
    lines: set[str] = field(default_factory=set)

    def notes(self, notes: Iterable[str]) -> None:
        """Print notes that were not printed yet."""
        new = [note for note in dict.fromkeys(notes) if note not in self.lines]
        report(new)
        self.lines.update(new)

    def settle(self, pair: Pair, error: str | None) -> None:
        """Enter a picture into the manifest: made, or failed with an error."""
        with INTERRUPTS.deferred():
            self.batch.settle(pair, "failed" if error else "made", error)
        if error and error not in self.lines:  # one bad file can be part of many pictures
            tell(f"skipped {pair.name!r}: {error}")
            self.lines.add(error)
        INTERRUPTS.check()


@contextmanager
def making(batch: Batch, *, quiet: bool) -> Iterator[BatchLog]:
    """Write the manifest and print how many pictures there are; at the end, what is left.

    Raises:
        OutputError: a file cannot be written.
        typer.Exit: 3 where a picture failed.
    """
    batch.write_manifest(*batch.pairs)
    of = len(batch.pairs)
    if not quiet:
        part = "" if batch.shard is None else f"shard {batch.shard}: "
        tell(f"{part}{counted(of, 'picture')}, {batch.count('made')} made already")
    try:
        yield BatchLog(batch)
    except (KeyboardInterrupt, typer.Exit):
        tell(f"{batch.count('made')} of {counted(of, 'picture')} made; the same command goes on")
        raise
    failed = batch.count("failed")
    if failed:
        tell(f"{failed} of {counted(of, 'picture')} failed; {batch.manifest} says why")
        raise typer.Exit(SKIPPED)


def make_batch(batch: Batch, *, quiet: bool) -> None:
    """Make the missing pictures and print each one's path.

    Raises:
        OutputError: a file cannot be written.
        typer.Exit: 3 where a picture failed; 129, 130 or 143 when interrupted or terminated.
    """
    there, of, started = batch.count("made"), len(batch.pairs), time.monotonic()
    left = deque(pair for pair in batch.pairs if batch.entries[pair].state != "made")
    busy = 0  # pictures in a row that other processes are making
    with making(batch, quiet=quiet) as log:
        while left:
            pair = left[0]
            place = BatchPlace(of - len(left) + 1, of, pair.name, there, started)
            try:
                error = batch.entries[pair].error or _make(batch, pair, quiet, place, log)
            except BusyError:
                busy += 1
                if busy >= len(left):
                    _wait(pair, log)
                left.rotate(-1)
                continue
            left.popleft()
            busy = 0
            log.settle(pair, error)


def show_status(status: Status) -> None:
    """Print how many pictures are in which state, and why some failed.

    Raises:
        typer.Exit: 1 where pictures are left to make, otherwise 3 where some failed.
    """
    counts = {"made": status.made, "failed": status.failed, "begun": status.begun}
    counts |= {"missing": status.missing}
    found = [f"{len(names)} {state}" for state, names in counts.items() if names]
    known = counted(sum(map(len, counts.values())), "picture")
    if status.idle:  # whose pictures no manifest lists
        known += " known"
    print(f"{known}: {', '.join(found) or 'none'}")
    for name, error in sorted(status.failed.items()):
        print(printable(f"failed {name!r}: {error}"))
    if status.idle:
        shards = "shard" if len(status.idle) == 1 else "shards"
        idle = ", ".join(map(str, status.idle))
        print(f"not begun, their pictures not counted: {shards} {idle}")
    if not status.complete:
        raise typer.Exit(UNFINISHED)
    if status.failed:
        raise typer.Exit(SKIPPED)


def _wait(pair: Pair, log: BatchLog) -> None:
    """Wait a little for another process that is at work on a picture."""
    line = f"{pair.name!r} is being made by another process; waiting for it"
    if line not in log.lines:
        tell(line)
        log.lines.add(line)
    time.sleep(SECONDS_BETWEEN_TRIES)


def _make(batch: Batch, pair: Pair, quiet: bool, place: BatchPlace, log: BatchLog) -> str | None:
    """Make a picture; returns None, or the text of the error with which this picture failed.

    An output that cannot be written, as on a full disk, ends the batch: the others would fail, too.

    Raises:
        BusyError: another process is at work on it.
        OutputError: it cannot be written.
    """
    try:
        output = batch.output(pair)
        with closing(Checkpointer(output, warn, force=batch.force)) as checkpointer:
            begun = batch.begin(pair, checkpointer)
            if begun is None:
                return None
            run, notes = begun
            log.notes(notes)
            if make_picture(run, Monitoring(quiet=quiet), checkpointer, place) != output:
                batch.check_place(pair)  # says why
    except ExistsError as error:
        return str(error)
    except OutputError:
        raise
    except (InputError, DivergedError) as error:
        return line_of(error)
    return None
