"""A sweep: all combinations of some options' values, as a page and as one picture."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vangram.errors import SettingError
from vangram.images import write_sheet
from vangram.reports.figures import Figure, Section
from vangram.reports.gallery import Gallery

LARGEST = 400
"""Largest number of pictures; a longer list is likelier a typing error."""


@dataclass(frozen=True)
class Varied:
    """An option, without dashes, and its values."""

    option: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Varied:
        """Parse "style-weight=10,40,150".

        Values that contain commas are separated by semicolons: "style-layers=a,b;c".

        Raises:
            SettingError: it has another form.
        """
        option, equals, rest = text.partition("=")
        values = (value.strip() for value in rest.split(";" if ";" in rest else ","))
        kept = tuple(dict.fromkeys(filter(None, values)))
        option = option.strip().lstrip("-").replace("_", "-")
        if not (option and equals and kept):
            raise SettingError(
                f"{text!r} is no option and values; write it as style-weight=10,40,150"
            )
        return cls(option, kept)


Cell = Mapping[str, str]
"""Option -> value, for each option that is varied."""


def cells(varied: Sequence[Varied]) -> list[Cell]:
    """All combinations; the last option varies fastest.

    Raises:
        SettingError: an option is named twice, or there are too many combinations.
    """
    options = [each.option for each in varied]
    if not options:
        raise SettingError("a sweep needs something to vary: --vary style-weight=10,40,150")
    for option in options:
        if options.count(option) > 1:
            raise SettingError(f"{option!r} is varied twice; put its values into one --vary")
    found = itertools.product(*(each.values for each in varied))
    chosen = list(itertools.islice(found, LARGEST + 1))
    if len(chosen) > LARGEST:
        raise SettingError(f"a sweep makes {LARGEST} pictures at most; vary less at a time")
    return [dict(zip(options, values, strict=True)) for values in chosen]


def sections(varied: Sequence[Varied], figure: Callable[[Cell, str], Figure]) -> list[Section]:
    """Grids of figures for the last two options, one for each combination of the others.

    The last option varies across, the one before it down.

    Args:
        varied: the options.
        figure: makes a figure from a combination and a caption.
    """
    in_grid = [each.option for each in varied[-2:]]
    grids: dict[str, list[Figure]] = {}
    for cell in cells(varied):
        title = _text({name: cell[name] for name in cell if name not in in_grid})
        caption = _text({name: cell[name] for name in in_grid})
        grids.setdefault(title, []).append(figure(cell, caption))
    columns = len(varied[-1].values)
    return [Section(title, "", columns, tuple(figures)) for title, figures in grids.items()]


def write_grid(
    path: Path,
    varied: Sequence[Varied],
    gallery: Gallery,
    folder: Path,
    *,
    overwrite: bool = True,
) -> None:
    """Write all pictures of a finished sweep as one labelled picture.

    Raises:
        ExistsError: there is a file, and `overwrite` is False.
        OutputError: it cannot be written.
    """
    across = [_text({varied[-1].option: value}) for value in varied[-1].values]
    down = [_text({varied[-2].option: v}) for v in varied[-2].values] if len(varied) > 1 else [""]
    rows = []
    for section in gallery.sections:
        for number, label in enumerate(down):
            figures = section.figures[number * section.columns :][: section.columns]
            pictures = [gallery.picture(figure, folder) for figure in figures]
            rows.append(("\n".join(filter(None, (section.title, label))), pictures))
    write_sheet(path, rows, across, overwrite=overwrite)


def _text(cell: Cell) -> str:
    return ", ".join(f"{name.replace('-', ' ')} {value}" for name, value in cell.items())
