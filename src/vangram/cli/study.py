"""`vangram study` in front of somebody: how far it is, and the page at the end."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from vangram.files import replacing
from vangram.study import Progress, Study, report

SECONDS_BETWEEN_LINES = 5.0
"""Where the output is no terminal."""


def parts_of(output: Path) -> Path:
    """Where a study's pictures lie until its page is written."""
    return output.with_name(f"{output.name}.parts")


def carry_out(study: Study, output: Path, *, quiet: bool) -> None:
    """Make what is missing, write the page, and print its path; pictures made so far are kept.

    Raises:
        OutputError: something cannot be written.
    """
    folder = parts_of(output)
    try:
        _watch(study.make(folder), quiet)
        page = report(study, folder)
    except KeyboardInterrupt:
        print(
            f"vangram: stopped; what is made lies in {folder}, the same command goes on",
            file=sys.stderr,
        )
        raise
    with replacing(output) as handle:
        handle.write(page.encode())
    shutil.rmtree(folder, ignore_errors=True)
    print(output)


def _watch(progress: Iterable[Progress], quiet: bool) -> None:
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        _tell(progress, quiet)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"),
               TimeRemainingColumn())  # fmt: skip
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        for at in progress:
            bar.update(task, total=at.of, completed=at.made + at.done % 1, description=at.caption)


def _tell(progress: Iterable[Progress], quiet: bool) -> None:
    printed = -SECONDS_BETWEEN_LINES
    for at in progress:
        now = time.monotonic()
        if not quiet and (now - printed >= SECONDS_BETWEEN_LINES or at.made == at.of):
            words = f"{at.made}/{at.of}  {at.caption}"
            print(words, file=sys.stderr, flush=True)
            printed = now
