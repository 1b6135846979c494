"""Contact sheets: a labelled grid of pictures in one file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from vangram.images.icc import srgb_profile
from vangram.images.resizing import fit
from vangram.storage.files import replacing

GAP = 6
"""Pixels between cells."""
TEXT = 14
"""Font size in pixels."""
LARGEST_CELL = 512
"""Longest side of a cell in pixels."""


def write_sheet(
    path: str | os.PathLike[str],
    rows: Sequence[tuple[str, Sequence[Path]]],
    columns: Sequence[str],
    *,
    overwrite: bool = True,
) -> None:
    """Write a labelled grid of pictures as a PNG.

    Args:
        path: the file to write.
        rows: label (may be empty) and paths of each row, one path per column.
        columns: labels of the columns.
        overwrite: False refuses to replace a file.

    Raises:
        ExistsError: there is a file, which may not be overwritten.
        OutputError: the file cannot be written.
    """
    font = ImageFont.load_default(TEXT)
    pictures = [[_cell(file) for file in files] for _, files in rows]
    across = (picture.width for row in pictures for picture in row)
    width = max(*across, *(_width(label, font) for label in columns))
    heights = [max(picture.height for picture in row) for row in pictures]
    left = max(_width(label, font) for label, _ in rows) + GAP
    top = TEXT + 2 * GAP
    size = (
        left + len(columns) * (width + GAP) + GAP,
        top + sum(height + GAP for height in heights),
    )
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for number, label in enumerate(columns):
        draw.text((left + GAP + number * (width + GAP), GAP), label, fill="black", font=font)
    for (label, _), row, height in zip(rows, pictures, heights, strict=True):
        draw.multiline_text((GAP, top), label, fill="black", font=font)
        for number, picture in enumerate(row):
            sheet.paste(picture, (left + GAP + number * (width + GAP), top))
        top += height + GAP
    with replacing(path, overwrite=overwrite) as handle:
        sheet.save(handle, "PNG", icc_profile=srgb_profile())


def _cell(path: Path) -> Image.Image:
    """Read a picture as RGB on white, at most `LARGEST_CELL` wide and high."""
    with Image.open(path) as file:
        picture = file.convert("RGBA")
    longest = max(picture.size)
    if longest > LARGEST_CELL:
        height, width = fit((picture.height, picture.width), LARGEST_CELL)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, mask=picture.getchannel("A"))
    return white


def _width(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> int:
    lines = text.splitlines()
    return round(max((font.getlength(line) for line in lines), default=0)) + GAP
