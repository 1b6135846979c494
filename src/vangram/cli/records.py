"""Lines on the differences between a record and a run; warnings."""

from __future__ import annotations

from collections.abc import Iterable

from vangram.cli.streams import tell
from vangram.settings.record import Record


def report(differences: Iterable[str]) -> None:
    """Print each difference from the recorded run, a line each."""
    for line in differences:
        tell(f"note: {line}")


def continued(was: Record, now: Record) -> Record:
    """The record of a run that is continued; prints versions that differ. Raises as in `run`."""
    from vangram.run import checkpointer

    record = checkpointer.continued(was, now)
    report(was.differences(now))
    return record


def warn(line: str) -> None:
    """Print a warning; the run continues."""
    tell(f"warning: {line}")
