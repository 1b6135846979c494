"""Download of missing networks, with progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from vangram.cli.streams import Interval


def ensure_fetched(name: str, *, asked: bool = True) -> None:
    """Download a network's parameters where they are missing, with progress.

    Args:
        name: of the network.
        asked: whether the user named it; one that a file names is downloaded on a terminal alone,
            after a question. Without a download, loading the network says how to fetch it.

    Raises:
        NetworkError: the download failed, or there is no network of this name.
    """
    from vangram.networks import NETWORKS, fetch_network, parameters_path

    if parameters_path(name).exists():
        return
    size = f"{NETWORKS[name].size / 1e6:.0f} MB"
    if asked or _confirmed(f"The recipe needs {name}; download {size}?"):
        with download_progress(name) as advance:
            fetch_network(name, advance)


def _confirmed(question: str) -> bool:
    """Ask on a terminal; False elsewhere."""
    streams = sys.stdin, sys.stderr
    return all(each is not None and each.isatty() for each in streams) and typer.confirm(
        question, err=True
    )


@contextmanager
def download_progress(name: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a download on the standard error: a bar on a terminal, elsewhere a line now and then."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(name)
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


def _lines(name: str) -> Callable[[int, int | None], None]:
    """A plain line when a download begins, and one every few seconds."""
    interval = Interval()

    def show(done: int, total: int | None) -> None:
        if interval.is_over():
            of = "" if total is None else f" of {total / 1e6:.0f}"
            print(f"{name}: {done / 1e6:.0f}{of} MB", file=sys.stderr, flush=True)

    return show
