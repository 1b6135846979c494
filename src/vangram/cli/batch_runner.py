"""`vangram batch` in front of somebody: picture after picture, a bad one skipped and told."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from dataclasses import replace

import typer

from vangram.batch import MANIFEST, Batch, Pair
from vangram.cli.progress import Among
from vangram.cli.records import continued, warn
from vangram.cli.runner import Watching
from vangram.cli.runner import carry_out as carry_out_run
from vangram.errors import CheckpointError, DivergedError, InputError, OutputError
from vangram.run import Run
from vangram.run.checkpoints import Checkpoints, claim
from vangram.settings.record import Record

SKIPPED = 3
"""Exit code where a picture could not be made and the others were."""


def carry_out(batch: Batch, *, quiet: bool) -> None:
    """Make what is missing; print each picture's path.

    Raises:
        OutputError: something cannot be written.
        typer.Exit: 3 where a picture failed; 130 or 143, when stopped by somebody.
    """
    batch.write_manifest()
    there, of, started = batch.count("made"), len(batch.pairs), time.monotonic()
    if not quiet:
        print(f"vangram: {of} pictures, {there} of them there already", file=sys.stderr, flush=True)
    told: set[str] = set()
    number = there
    try:
        for pair in batch.pairs:
            if batch.entries[pair].state == "made":
                continue
            number += 1
            among = Among(number, of, pair.name, there, started)
            error = batch.entries[pair].error or _make(
                batch, pair, Watching(None, None, quiet, among)
            )
            batch.settle(pair, "failed" if error else "made", error)
            if error and error not in told:  # one bad file may be part of many pictures
                print(f"vangram: skipped {pair.name!r}: {error}", file=sys.stderr, flush=True)
                told.add(error)
    except (KeyboardInterrupt, typer.Exit):
        made = batch.count("made")
        print(
            f"vangram: {made} of {of} pictures are made; the same command goes on", file=sys.stderr
        )
        raise
    failed = batch.count("failed")
    if failed:
        where = batch.folder / MANIFEST
        print(f"vangram: {failed} of {of} pictures failed; {where} says why", file=sys.stderr)
        raise typer.Exit(SKIPPED)


def _make(batch: Batch, pair: Pair, watching: Watching) -> str | None:
    """Make a picture; what was wrong, if it cannot be made.

    A full disk would meet the others as well, so it is not one picture's failure.
    """
    try:
        with closing(Checkpoints(batch.output(pair), warn)) as checkpoints:
            run = _continued(batch, pair, checkpoints)
            if run is None:
                checkpoints.discard()
                run = _run(batch, pair, None)
            carry_out_run(run, batch.output(pair), watching, checkpoints)
    except OutputError:
        raise
    except (InputError, DivergedError) as error:
        return " ".join(str(error).split())
    return None


def _continued(batch: Batch, pair: Pair, checkpoints: Checkpoints) -> Run | None:
    """The run that an earlier process has begun, if there is one and it is of this picture.

    Raises:
        CheckpointError: another process is at work on it.
    """
    if not checkpoints.path.exists():
        return None
    lock = claim(checkpoints.path)  # the one refusal that is not for want of a usable checkpoint
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
    recipe = batch.recipe_of(pair) if record is None else record.recipe
    run = Run.of(batch.inputs_of(pair), recipe)
    return replace(run, known=batch.known)
