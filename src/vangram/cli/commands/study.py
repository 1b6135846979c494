"""`vangram study`: the paper's figures for any photograph and paintings."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from vangram.cli.downloads import ensure_fetched
from vangram.cli.options import (
    Force,
    Page,
    Paintings,
    Parameters,
    Photo,
    Quiet,
    Settings,
    SettingsOf,
)
from vangram.settings.kinds import STYLIZE

FIGURES = replace(STYLIZE, changes={"size": 192, "steps": 100})
"""Kind of a study's runs: small, because they are many."""
COMMON = ("size", "steps", "seed", "network", "pooling", "normalise", "device")
"""Settings that all figures have in common."""


def study(
    photo: Photo,
    paintings: Paintings,
    output: Page,
    settings: Annotated[Settings, SettingsOf(FIGURES, only=COMMON)],
    parameters: Parameters,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Reproduce the paper's figures with PHOTO and PAINTINGs, as one page that works offline.

    After an interruption, the same command continues.
    """
    recipe = FIGURES.base().replace(**settings)

    from vangram.cli.pages import check_page, make_page
    from vangram.reports.study import prepare

    check_page(output, force=force)
    if parameters is None:
        ensure_fetched(recipe.network)
    make_page(prepare(photo, paintings, recipe, parameters), output, quiet=quiet, force=force)
