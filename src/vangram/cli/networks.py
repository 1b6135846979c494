"""`vangram networks`: which there are, where they are, and how they get there."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from vangram.errors import LayerError, NetworkError, VangramError

networks = typer.Typer(
    help="List the networks there are; fetch, find and check their parameters.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

SECONDS_BETWEEN_LINES = 5.0
"""Where the output is no terminal."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="One that `vangram networks` lists.")]


@networks.callback()
def table(context: typer.Context) -> None:
    """List the networks there are; fetch, find and check their parameters."""
    if context.invoked_subcommand is not None:
        return
    from vangram.networks import NETWORKS, parameters_path

    rows = [("network", "size", "here", "licence", "source")]
    for name, network in NETWORKS.items():
        here = "yes" if parameters_path(name).exists() else "no"
        size = f"{network.size / 1e6:.0f} MB"
        rows.append((name, size, here, network.licence, network.source))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        typer.echo(line.rstrip())


@networks.command()
def fetch(name: Name) -> None:
    """Download NAME's parameters, unless they are here, and print where they are.

    Ctrl-C keeps what has come so far; the same command goes on from there.
    """
    from vangram.networks import fetch_network

    with _progress(name) as progress:
        path = fetch_network(name, progress)
    typer.echo(path)


@networks.command()
def path(name: Name) -> None:
    """Print where NAME's parameters are, or would be."""
    from vangram.networks import parameters_path

    typer.echo(parameters_path(name))


@networks.command()
def check(name: Name) -> None:
    """Compute the hash of NAME's parameters anew and load them.

    Exit code 1 where they are damaged, 2 where they are missing.
    """
    from vangram.networks import load_network, parameters_path

    if not parameters_path(name).exists():
        load_network(name)  # says what to do
    try:
        network = load_network(name)
    except (LayerError, NetworkError) as error:
        raise VangramError(str(error)) from error
    typer.echo(f"{name} is whole: SHA-256 {network.sha256}")


def ensure_fetched(name: str) -> None:
    """Download a network's parameters where they are missing, and show how far it is.

    Raises:
        NetworkError: they cannot be had, or there is no network of this name.
    """
    from vangram.networks import fetch_network, parameters_path

    if not parameters_path(name).exists():
        with _progress(name) as progress:
            fetch_network(name, progress)


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int, int | None], None]]:
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
    """A plain line when a download begins, and every few seconds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.printed: float | None = None

    def __call__(self, done: int, total: int | None) -> None:
        now = time.monotonic()
        if self.printed is None or now - self.printed >= SECONDS_BETWEEN_LINES:
            of = "" if total is None else f" of {total / 1e6:.0f}"
            print(f"{self.name}: {done / 1e6:.0f}{of} MB", file=sys.stderr, flush=True)
            self.printed = now
