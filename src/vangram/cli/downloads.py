"""Download of missing networks, with progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS_BETWEEN_LINES = 5.0
"""Interval of progress lines where the output is no terminal."""


def ensure_fetched(name: str) -> None:
    """Download a network's parameters where they are missing, with progress.

    Raises:
        NetworkError: the download failed, or there is no network of this name.
    """
    from vangram.networks import fetch_network, parameters_path

    if not parameters_path(name).exists():
        with download_progress(name) as advance:
            fetch_network(name, advance)


@contextmanager
def download_progress(name: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a download on the standard error: a bar on a terminal, elsewhere a line now and then."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(name)
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(),
               TransferSpeedColumn(), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _Lines:
    """A plain line when a download begins, and one every few seconds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.printed: float | None = None

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if self.printed is None or now - self.printed >= SECONDS_BETWEEN_LINES:
            of = "" if total is None else f" of {total / 1e6:.0f}"
            print(f"{self.name}: {done / 1e6:.0f}{of} MB", file=sys.stderr, flush=True)
            self.printed = now
