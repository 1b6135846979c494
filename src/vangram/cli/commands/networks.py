"""`vangram networks`: list the networks, download, locate and check their parameters."""

from __future__ import annotations

from typing import Annotated

import typer

from vangram.cli.downloads import download_progress
from vangram.errors import LayerError, NetworkError, VangramError

networks = typer.Typer(
    name="networks",
    add_completion=False,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

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

    with download_progress(name) as advance:
        path = fetch_network(name, advance)
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
