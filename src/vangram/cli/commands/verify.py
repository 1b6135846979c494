"""`vangram verify`: a line for each comparison, as it is made, and a verdict."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from vangram.cli import options
from vangram.cli.downloads import ensure_fetched
from vangram.settings.recipe import Recipe

if TYPE_CHECKING:
    from vangram.reports.verify import Check


def verify(
    network: options.Network = options.DEFAULT.network,
    parameters: options.Parameters = None,
    pooling: options.Pooling = options.DEFAULT.pooling,
    size: Annotated[int, typer.Option(help="Pixels a side of the picture.")] = 320,
    tile: Annotated[int, typer.Option(help="Pixels a side of the tiles.")] = 128,
    units: options.Units = options.DEFAULT.units,
    style_loss: options.StyleLoss = options.DEFAULT.style_loss,
) -> None:
    """Check on this machine that every fast way gives what the slow one gives.

    Exit code 1 where an error is too large.
    """
    recipe = Recipe(
        network=network,
        pooling=pooling,  # type: ignore[arg-type]
        size=size,
        tile=tile,
        units=units,  # type: ignore[arg-type]
        style_loss=style_loss,  # type: ignore[arg-type]
    )

    from vangram.networks import load_network
    from vangram.reports.verify import verify as checks

    if parameters is None:
        ensure_fetched(network)
    loaded = load_network(network, layers=recipe.layers, parameters=parameters, pooling=pooling)
    _report(checks(loaded, recipe, (size, size * 3 // 4), tile))


def _report(checks: Iterable[Check]) -> None:
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
