"""Pairs of a photograph and a painting, and the names of their pictures."""

from __future__ import annotations

import csv
import glob
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vangram.errors import OutputError, PictureError, SettingError
from vangram.images import READ_SUFFIXES, is_raw
from vangram.storage.files import open_regular, quoted, reason

NOTED = 5
"""Number of left-out files that a note names."""
COLUMNS = ("photo", "painting")
"""Required columns of a table of pairs; "output" is optional."""


@dataclass(frozen=True)
class Pair:
    """A picture to make: paths of the photograph and the painting, and the picture's name."""

    photo: str
    painting: str
    name: str


def photographs(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """The photographs in folders, files and patterns such as "holiday/*.jpg".

    A folder stands for the pictures directly in it, in the order of their names.

    Returns:
        Their paths; and lines that say which files of a folder are left out, and why.

    Raises:
        PictureError: there is no such file, or no picture in a folder or under a pattern.
    """
    found: dict[str, None] = {}
    notes = []
    for each in given:
        if os.path.isdir(each):
            inside, others = _in_folder(Path(each))
            left_out = "; ".join(f"{why}: {', '.join(names)}" for why, names in others.items())
            if not inside:
                raise PictureError(
                    f"{quoted(each)} has no pictures in it; they end in {', '.join(READ_SUFFIXES)}"
                    + (f" ({left_out})" if left_out else "")
                )
            notes += [f"left out of {quoted(each)}: {left_out}"] if left_out else []
        elif not os.path.exists(each) and glob.has_magic(each):
            inside = sorted(glob.glob(_pattern(each)))
            if not inside:
                raise PictureError(f"no file's name is like {quoted(each)}; check the pattern")
        else:
            inside = [_existing(each)]
        found |= dict.fromkeys(inside)
    return list(found), notes


def _in_folder(folder: Path) -> tuple[list[str], dict[str, list[str]]]:
    """A folder's pictures, and the names of its other files by the reason why each is left out."""
    pictures, others = [], dict[str, list[str]]()
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_file():
            continue
        if path.suffix.lower() in READ_SUFFIXES:
            pictures.append(str(path))
        else:
            why = "cameras' raw files" if is_raw(path) else "no pictures by their names"
            others.setdefault(why, []).append(quoted(path.name))
    shortened = {
        why: [*names[:NOTED], *([f"{len(names) - NOTED} more"] if len(names) > NOTED else [])]
        for why, names in others.items()
    }
    return pictures, shortened


def _pattern(given: str) -> str:
    """A glob pattern in which the names of existing folders are literal, even with brackets."""
    literal, *rest = Path(given).parts
    start = glob.escape(literal) if os.path.exists(literal) else literal
    for part in rest:
        literal = os.path.join(literal, part)
        start = os.path.join(start, glob.escape(part) if os.path.exists(literal) else part)
    return start


def crossed(photos: Sequence[str], paintings: Sequence[str], format: str) -> tuple[Pair, ...]:
    """Each photograph with every painting, named PHOTO-PAINTING.

    Args:
        photos: their paths.
        paintings: their paths.
        format: the pictures' suffix, without a dot.

    Raises:
        PictureError: there is no such painting.
        OutputError: two pictures would have one name.
    """
    given = dict.fromkeys(map(_existing, paintings))
    return _distinct(
        Pair(photo, painting, f"{Path(photo).stem}-{Path(painting).stem}.{format}")
        for photo in photos
        for painting in given
    )


def read_pairs(table: str, format: str) -> tuple[Pair, ...]:
    """The pairs in a CSV file with the columns photo, painting and, optionally, output.

    Paths are relative to the table's folder. An output is a file name; without a suffix it gets
    `format`. The default is PHOTO-PAINTING.

    Raises:
        SettingError: the table cannot be read, lacks a column, or a row lacks a path.
        PictureError: there is no such photograph or painting.
        OutputError: an output is no plain name, or two pictures would have one name.
    """
    rows, folder = _rows(table), Path(table).parent
    pairs = []
    for line, row in rows:
        missing = [column for column in COLUMNS if not row.get(column)]
        if missing:
            raise SettingError(f"{quoted(table)}, line {line}, has no {missing[0]}; fill it in")
        photo, painting = (_existing(str(folder / row[column])) for column in COLUMNS)
        name = row.get("output") or f"{Path(photo).stem}-{Path(painting).stem}.{format}"
        if Path(name).name != name or "\\" in name:
            raise OutputError(f"{quoted(name)} in {quoted(table)}, line {line}, is no plain name;"
                              " leave folders out")  # fmt: skip
        pairs.append(Pair(photo, painting, name if Path(name).suffix else f"{name}.{format}"))
    if not pairs:
        raise SettingError(
            f"{quoted(table)} has no pairs; write photo,painting and a line for each"
        )
    return _distinct(pairs)


def _rows(table: str) -> list[tuple[int, Mapping[str, str]]]:
    """Last line number and cells by column, for each row that is not empty."""
    try:
        with open_regular(table) as handle:
            text = handle.read().decode("utf-8-sig")
        lines = text.splitlines(keepends=True)
        head = lines[0] if lines else ""
        delimiter = ";" if ";" in head and "," not in head else ","  # as some spreadsheets save it
        reader = csv.DictReader(lines, delimiter=delimiter, strict=True)
        names = [name.strip().lower() for name in reader.fieldnames or ()]
        for column in COLUMNS:
            if column not in names:
                raise SettingError(
                    f"{quoted(table)} has no column {column!r}; its first line must be"
                    " photo,painting or photo,painting,output"
                )
        reader.fieldnames = names
        return [
            (reader.line_num, {k: v.strip() for k, v in row.items() if k and isinstance(v, str)})
            for row in reader
            if any(row.values())
        ]
    except (OSError, ValueError, csv.Error) as error:
        raise SettingError(
            f"{quoted(table)} cannot be read as a table ({reason(error)}); save it as CSV in UTF-8"
        ) from None


def _distinct(pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    """The pairs, after a check that their names differ on file systems that ignore case."""
    named: dict[str, Pair] = {}
    for pair in pairs:
        other = named.setdefault(pair.name.casefold(), pair)
        if other is not pair:
            raise OutputError(
                f"{quoted(pair.name)} would be two pictures, of {quoted(other.photo)} with"
                f" {quoted(other.painting)} and of {quoted(pair.photo)} with"
                f" {quoted(pair.painting)}; name them in a table: --pairs"
            )
    return tuple(named.values())


def _existing(path: str) -> str:
    if not os.path.isfile(path):
        raise PictureError(f"there is no picture {quoted(path)}; check the path")
    return path
