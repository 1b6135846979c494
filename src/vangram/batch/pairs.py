"""Pairs of a photograph and a painting, and the names of their pictures."""

from __future__ import annotations

import csv
import glob
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vangram.errors import OutputError, PictureError, SettingError
from vangram.images import read_frames, write_picture
from vangram.storage.files import quoted, reason

READ = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp")
"""Suffixes of the pictures that are read from a folder."""
COLUMNS = ("photo", "painting")
"""Required columns of a table of pairs; "output" is optional."""


@dataclass(frozen=True)
class Pair:
    """A picture to make: paths of the photograph and the painting, and the picture's name."""

    photo: str
    painting: str
    name: str


def photographs(given: Sequence[str]) -> list[str]:
    """The photographs in folders, files and patterns such as "holiday/*.jpg".

    A folder stands for the pictures directly in it, in the order of their names.

    Raises:
        PictureError: there is no such file, or no picture in a folder or under a pattern.
    """
    found: dict[str, None] = {}
    for each in given:
        path = Path(each)
        if path.is_dir():
            inside = sorted(str(file) for file in path.iterdir() if _is_picture(file))
            if not inside:
                raise PictureError(
                    f"{quoted(each)} has no pictures in it; they end in {', '.join(READ)}"
                )
        elif not path.exists() and glob.has_magic(each):
            inside = sorted(glob.glob(each))
            if not inside:
                raise PictureError(f"no file's name is like {quoted(each)}; check the pattern")
        else:
            inside = [_existing(each)]
        found |= dict.fromkeys(inside)
    return list(found)


def in_order(frames: Sequence[str]) -> list[str]:
    """Frames in the order of the numbers in their names, whether padded with zeros or not."""

    def key(path: str) -> list[tuple[int, str]]:
        parts = re.split(r"(\d+)", Path(path).stem)
        return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]

    return sorted(frames, key=key)


def frames_of(path: str, folder: Path) -> list[str]:
    """Write the frames of an animated file into a folder as PNG; returns their paths.

    Raises:
        PictureError: it has no more than one frame.
        OutputError: they cannot be written.
    """
    frames = read_frames(path)
    if len(frames) < 2:
        raise PictureError(f"{quoted(path)} has one frame; give a folder of frames, or a film")
    folder.mkdir(parents=True, exist_ok=True)
    digits = len(str(len(frames)))
    names = [folder / f"{Path(path).stem}-{n:0{digits}}.png" for n in range(1, len(frames) + 1)]
    for name, frame in zip(names, frames, strict=True):
        write_picture(name, frame)
    return [str(name) for name in names]


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
        text = Path(table).read_text(encoding="utf-8-sig")
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
    """The pairs, if their names differ, even on file systems that ignore case."""
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
    if not Path(path).is_file():
        raise PictureError(f"there is no picture {quoted(path)}; check the path")
    return path


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in READ and not path.name.startswith(".") and path.is_file()
