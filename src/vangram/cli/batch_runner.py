"""The pictures of a batch, one after the other; a picture that fails is reported and skipped."""

from __future__ import annotations

import time
from collections import deque
from contextlib import closing
from dataclasses import replace

import typer

from vangram.batch import Batch, Pair, Status
from vangram.cli.interrupts import INTERRUPTS
from vangram.cli.options import Monitoring
from vangram.cli.progress import BatchPlace
from vangram.cli.records import continued, report, warn
from vangram.cli.runner import make_picture
from vangram.cli.streams import tell
from vangram.errors import (
    BusyError,
    CheckpointError,
    DivergedError,
    ExistsError,
    InputError,
    OutputError,
)
from vangram.run import Run
from vangram.run.checkpoints import Checkpoints
from vangram.settings.record import Record
from vangram.storage.files import printable

UNFINISHED = 1
"""Exit code of a status where pictures are left to make."""
SKIPPED = 3
"""Exit code where some pictures failed."""
SECONDS_BETWEEN_TRIES = 0.5
"""Where another process is at work on the pictures that are left."""


def make_batch(batch: Batch, *, quiet: bool, keep_metadata: bool = False) -> None:
    """Make the missing pictures and print each one's path.

    Raises:
        OutputError: a file cannot be written.
        typer.Exit: 3 where a picture failed; 130 or 143 when interrupted or terminated.
    """
    batch.write_manifest(*batch.pairs)
    there, of, started = batch.count("made"), len(batch.pairs), time.monotonic()
    if not quiet:
        part = "" if batch.shard is None else f"shard {batch.shard}: "
        tell(f"{part}{of} pictures, {there} of them there already")
    told: set[str] = set()
    left = deque(pair for pair in batch.pairs if batch.entries[pair].state != "made")
    busy = 0  # how many in a row others are at work on
    try:
        while left:
            pair = left[0]
            place = BatchPlace(of - len(left) + 1, of, pair.name, there, started)
            try:
                error = batch.entries[pair].error or _make(
                    batch, pair, quiet, place, told, keep_metadata
                )
            except BusyError:
                busy += 1
                if busy >= len(left):
                    _wait(pair, told)
                left.rotate(-1)
                continue
            left.popleft()
            busy = 0
            with INTERRUPTS.deferred():
                batch.settle(pair, "failed" if error else "made", error)
            if error and error not in told:  # one bad file can be part of many pictures
                tell(f"skipped {pair.name!r}: {error}")
                told.add(error)
            INTERRUPTS.check()
    except (KeyboardInterrupt, typer.Exit):
        tell(f"{batch.count('made')} of {of} pictures are made; the same command goes on")
        raise
    failed = batch.count("failed")
    if failed:
        tell(f"{failed} of {of} pictures failed; {batch.manifest} says why")
        raise typer.Exit(SKIPPED)


def show_status(status: Status) -> None:
    """Print how many pictures are in which state, and why some failed.

    Raises:
        typer.Exit: 1 where pictures are left to make, otherwise 3 where some failed.
    """
    counts = {"made": status.made, "failed": status.failed, "begun": status.begun}
    counts |= {"missing": status.missing}
    found = [f"{len(names)} {state}" for state, names in counts.items() if names]
    print(f"{sum(map(len, counts.values()))} pictures: {', '.join(found) or 'none'}")
    for name, error in sorted(status.failed.items()):
        print(printable(f"failed {name!r}: {error}"))
    if status.idle:
        print(f"shards that have not begun: {', '.join(map(str, status.idle))}")
    if not status.complete:
        raise typer.Exit(UNFINISHED)
    if status.failed:
        raise typer.Exit(SKIPPED)


def _wait(pair: Pair, told: set[str]) -> None:
    """Wait a little for another process that is at work on a picture."""
    line = f"{pair.name!r} is being made by another process; waiting for it"
    if line not in told:
        tell(line)
        told.add(line)
    time.sleep(SECONDS_BETWEEN_TRIES)


def _make(
    batch: Batch,
    pair: Pair,
    quiet: bool,
    place: BatchPlace,
    told: set[str],
    keep_metadata: bool,
) -> str | None:
    """Make a picture, after notes that were not told yet; the error's text where that fails.

    An output that cannot be written, as on a full disk, ends the batch: the others would fail, too.

    Raises:
        BusyError: another process is at work on it.
        OutputError: it cannot be written.
    """
    try:
        output = batch.output(pair)
        with closing(Checkpoints(output, warn, force=batch.force)) as checkpoints:
            if batch.is_made(pair):  # by another process
                return None
            batch.check_place(pair)
            checkpoints.place.accept()
            run = _continued(batch, pair, checkpoints)
            if run is None:
                checkpoints.discard()
                run = _run(batch, pair, None)
            run = replace(run, record=replace(run.record, keep_metadata=keep_metadata))
            report(note for note in run.inputs.notes if note not in told)
            told.update(run.inputs.notes)
            if make_picture(run, Monitoring(quiet=quiet), checkpoints, place) != output:
                batch.check_place(pair)  # says why
    except ExistsError as error:
        return str(error)
    except OutputError:
        raise
    except (InputError, DivergedError) as error:
        return " ".join(str(error).split())
    return None


def _continued(batch: Batch, pair: Pair, checkpoints: Checkpoints) -> Run | None:
    """The run that an earlier process began, if there is one of this picture."""
    if not checkpoints.path.exists():
        return None
    try:
        record = checkpoints.read()
        if not batch.is_of(record, pair):
            return None
        run = _run(batch, pair, record)
        return replace(run, record=continued(record, run.record))
    except CheckpointError:
        return None


def _run(batch: Batch, pair: Pair, record: Record | None) -> Run:
    return batch.run(pair, batch.recipe if record is None else record.recipe)
