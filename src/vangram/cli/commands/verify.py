"""`vangram verify`: a line for each comparison, as it is made, and a verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from vangram.cli.downloads import ensure_fetched
from vangram.cli.options import Parameters, Settings, SettingsOf
from vangram.settings.kinds import STYLIZE

if TYPE_CHECKING:
    from vangram.reports.verify import Check


CHECKS = replace(STYLIZE, changes={"size": 320, "tile": 128})
"""Kind of the checked runs: pictures of several tiles."""
CHECKED = ("network", "pooling", "size", "tile", "units", "style_loss")


def verify(
    settings: Annotated[Settings, SettingsOf(CHECKS, only=CHECKED)], parameters: Parameters
) -> None:
    """Check on this machine that each fast implementation agrees with a slow, plain one.

    Exit code 1 where an error is too large.
    """
    recipe = CHECKS.base().replace(**settings)

    from vangram.networks import load_network
    from vangram.reports.verify import verify as checks

    if parameters is None:
        ensure_fetched(recipe.network)
    network = load_network(
        recipe.network, layers=recipe.layers, parameters=parameters, pooling=recipe.pooling
    )
    assert recipe.tile is not None
    _report(checks(network, recipe, (recipe.size, recipe.size * 3 // 4), recipe.tile))


def _report(checks: Iterable[Check]) -> None:
    """Print the checks.

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
