"""`vangram sweep`: every combination of the values of some of `vangram stylize`'s options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vangram.cli.downloads import ensure_fetched
from vangram.cli.options import (
    BaseRecipe,
    Force,
    Painted,
    Parameters,
    Photo,
    Quiet,
    Settings,
    SettingsOf,
)
from vangram.cli.settings import recipe_of
from vangram.cli.streams import report
from vangram.errors import SettingError
from vangram.reports.figures import Figure
from vangram.settings.inputs import Inputs
from vangram.settings.kinds import STYLIZE, without_effect

if TYPE_CHECKING:
    from vangram.reports.sweep import Cell

SWEPT = replace(STYLIZE, given=STYLIZE.given - {"styles", "before"}, changes={"size": 192})
"""Kind of a sweep's runs: small, each has one painting."""

Output = Annotated[
    Path, typer.Option("--output", "-o", help="Page to write: .html; a .png goes beside it.")
]
Vary = Annotated[
    list[str] | None,
    typer.Option(
        help="An option of stylize and its values: style-weight=10,40,150. Values with commas are"
        " separated by semicolons. May be given several times."
    ),
]


def sweep(
    photo: Photo,
    painting: Painted,
    output: Output,
    vary: Vary,
    base: BaseRecipe,
    settings: Annotated[Settings, SettingsOf(SWEPT)],
    parameters: Parameters,
    force: Force,
    quiet: Quiet,
) -> None:
    """Repaint PHOTO in the style of PAINTING with every combination of some options' values.

    The page shows the pictures side by side, each with its command, and works offline; a contact
    sheet goes beside it. After an interruption, the same command continues.
    """
    from vangram.cli.pages import check_page, make_page
    from vangram.reports.gallery import Gallery
    from vangram.reports.sweep import Varied, sections, write_grid

    sheet = output.with_suffix(".png")
    check_page(output, sheet, force=force)
    varied = [Varied.parse(text) for text in vary or ()]
    figure = _figure_of(photo, painting, {**SWEPT.changes, **settings}, base)
    grids = sections(varied, figure)
    figures = [figure for grid in grids for figure in grid.figures]
    given = {*settings, *(each.option.replace("-", "_") for each in varied)} - set(vars(base))
    notes = [without_effect(sorted(given), each.recipe, each.inputs) for each in figures]
    report(line for line in notes[0] if all(line in others for others in notes))
    if parameters is None:
        for name in {each.recipe.network for each in figures}:
            ensure_fetched(name, asked="network" in given)
    title = f"A sweep of {Path(photo).name} with {Path(painting).name}"
    gallery = Gallery.prepare(title, "Made by VanGram.", grids, parameters)

    def write(path: Path, folder: Path, overwrite: bool) -> None:
        write_grid(path, varied, gallery, folder, overwrite=overwrite)

    make_page(gallery, output, quiet=quiet, force=force, also=(sheet, write))


def _figure_of(
    photo: str, painting: str, settings: Settings, base: BaseRecipe
) -> Callable[[Cell, str], Figure]:
    """A function from a combination of varied options to its figure."""
    known = {setting.key: setting for setting in SettingsOf(SWEPT).settings}

    def figure(cell: Cell, caption: str) -> Figure:
        given, varied = dict(settings), base
        for option, text in cell.items():
            if option in vars(base):
                varied = replace(varied, **{option: text})
            elif option in known:
                given |= known[option].given(text)
            else:
                names = ", ".join(sorted([*vars(base), *known]))
                raise SettingError(f"{option!r} cannot be varied; what can: {names}")
        try:
            recipe, start = recipe_of(given, varied)
        except SettingError as error:
            raise SettingError(f"{caption}: {error}") from None
        return Figure(caption, recipe, Inputs(content=photo, styles=(painting,), start=start))

    return figure
