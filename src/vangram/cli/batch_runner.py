"""The pictures of a batch, one after the other; a picture that fails is reported and skipped."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace

import typer

from vangram.batch import MANIFEST, Batch, Pair
from vangram.cli.options import Monitoring
from vangram.cli.progress import BatchPlace
from vangram.cli.records import continued, report, warn
from vangram.cli.runner import make_picture
from vangram.cli.streams import tell
from vangram.errors import CheckpointError, DivergedError, InputError, OutputError
from vangram.run import Run
from vangram.run.checkpoints import Checkpoints, claim
from vangram.settings.record import Record

SKIPPED = 3
"""Exit code where some pictures failed."""


def make_batch(batch: Batch, *, quiet: bool, keep_metadata: bool = False) -> None:
    """Make the missing pictures and print each one's path.

    Raises:
        OutputError: a file cannot be written.
        typer.Exit: 3 where a picture failed; 130 or 143 when interrupted or terminated.
    """
    batch.write_manifest()
    there, of, started = batch.count("made"), len(batch.pairs), time.monotonic()
    if not quiet:
        tell(f"{of} pictures, {there} of them there already")
    told: set[str] = set()
    number = there
    try:
        for pair in batch.pairs:
            if batch.entries[pair].state == "made":
                continue
            number += 1
            place = BatchPlace(number, of, pair.name, there, started)
            error = batch.entries[pair].error or _make(
                batch, pair, Monitoring(quiet=quiet), place, told, keep_metadata
            )
            batch.settle(pair, "failed" if error else "made", error)
            if error and error not in told:  # one bad file can be part of many pictures
                tell(f"skipped {pair.name!r}: {error}")
                told.add(error)
    except (KeyboardInterrupt, typer.Exit):
        tell(f"{batch.count('made')} of {of} pictures are made; the same command goes on")
        raise
    failed = batch.count("failed")
    if failed:
        tell(f"{failed} of {of} pictures failed; {batch.folder / MANIFEST} says why")
        raise typer.Exit(SKIPPED)


def _make(
    batch: Batch,
    pair: Pair,
    monitoring: Monitoring,
    place: BatchPlace,
    told: set[str],
    keep_metadata: bool,
) -> str | None:
    """Make a picture, after notes that were not told yet; the error's text where that fails.

    An output that cannot be written, as on a full disk, ends the batch: the others would fail, too.
    """
    try:
        with closing(Checkpoints(batch.output(pair), warn)) as checkpoints:
            run = _continued(batch, pair, checkpoints)
            if run is None:
                checkpoints.discard()
                run = _run(batch, pair, None)
            run = replace(run, record=replace(run.record, keep_metadata=keep_metadata))
            report(note for note in run.inputs.notes if note not in told)
            told.update(run.inputs.notes)
            make_picture(run, batch.output(pair), monitoring, checkpoints, place)
    except OutputError:
        raise
    except (InputError, DivergedError) as error:
        return " ".join(str(error).split())
    return None


def _continued(batch: Batch, pair: Pair, checkpoints: Checkpoints) -> Run | None:
    """The run that an earlier process began, if there is one of this picture.

    Raises:
        CheckpointError: another process is at work on it.
    """
    if not checkpoints.path.exists():
        return None
    lock = claim(checkpoints.path)  # unlike all errors below, a lock is no reason to start anew
    if lock is not None:
        lock.close()
    try:
        record = checkpoints.read()
        if not batch.is_of(record, pair):
            return None
        run = _run(batch, pair, record)
        return replace(run, record=continued(record, run.record))
    except CheckpointError:
        return None


def _run(batch: Batch, pair: Pair, record: Record | None) -> Run:
    return batch.run(pair, batch.recipe_of(pair) if record is None else record.recipe)
