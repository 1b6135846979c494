"""What `vangram verify` prints: a line for each comparison, as it is made, and a verdict."""

from __future__ import annotations

from collections.abc import Iterable

import typer

from vangram.reports.verify import Check


def report(checks: Iterable[Check]) -> None:
    """Print them.

    Raises:
        typer.Exit: 1, where one does not hold.
    """
    failed = 0
    typer.echo(f"{'relative error':>14}  {'allowed':>7}")
    for check in checks:
        verdict = "holds" if check.holds else "TOO LARGE"
        typer.echo(f"{check.error:>14.1e}  {check.allowed:>7.0e}  {verdict:<9}  {check.name}")
        failed += not check.holds
    typer.echo("all hold" if not failed else f"{failed} too large: please report it")
    if failed:
        raise typer.Exit(1)
