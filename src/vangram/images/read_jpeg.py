"""Reading JPEG: data that end before the picture does, and decoding to a smaller size.

A file that is cut and closed with an end marker decodes without an error: libjpeg fills the rest of
a scan with zeros, which become grey, and a progressive picture lacks detail.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from io import BytesIO
from typing import NamedTuple

from PIL import Image, ImageChops
from PIL.JpegImagePlugin import JpegImageFile

from vangram.errors import PictureError
from vangram.images.encoded import Data

START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
SCAN_END = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
"""A marker that is no part of a scan's data (ITU-T T.81, B.1.1.2)."""
FILLING = b"".join(
    bytes(random.Random(number).randrange(0xFF) for _ in range(1024)) + bytes((0xFF, 0xD0 + number))
    for number in range(8)
)
"""Bytes that look like a scan's data, with each of the restart markers."""
COEFFICIENTS = 64
LAST_ROWS, LAST_SHARE = 16, 0.01
"""Rows, or share of them, that may be missing at the end of a picture that is read: the last row of
blocks, of which some programs and damaged disks lose a part."""


class Scan(NamedTuple):
    """A scan's header (T.81, B.2.3), and where its data end."""

    components: bytes
    first: int
    last: int
    """Coefficients, in zigzag order."""
    bit: int
    """Lowest bit of the coefficients that is known after it."""
    end: int


def reduce(image: Image.Image, largest: int, wanted: int) -> str | None:
    """Have a JPEG that is too large decoded to a half, a quarter or an eighth of its size.

    Args:
        image: the picture, not loaded.
        largest: most pixels.
        wanted: least longer side that suffices.

    Returns:
        A note, where that is so and a smaller size suffices.
    """
    width, height = image.size
    if width * height <= largest:
        return None
    for scale in (2, 4, 8):
        across, down = -(-width // scale), -(-height // scale)
        if across * down <= largest and max(across, down) >= wanted:
            image.draft(None, (across, down))
            return (
                f"{width} x {height} px are more than the memory allows, it is read at"
                f" {image.width} x {image.height} px"
            )
    return None


def check_pixels(data: Data, label: str, *, small: bool = False) -> str | None:
    """Check that a JPEG's data reach to the end of the picture; a note if only a little is missing.

    Bytes are inserted behind each scan's data. Where these are complete nothing reads them; where
    they end early the decoder takes them for the rest, and the picture changes.

    Args:
        data: the file.
        label: its name in messages.
        small: whether the check, too, is to decode a progressive picture to an eighth of its size.

    Raises:
        PictureError: more than the last row of blocks is missing.
    """
    scans = list(_scans(data))
    progressive = len(scans) > 1
    changed, since = bytearray(), 0
    for scan in scans:
        changed += data[since : scan.end] + FILLING
        since = scan.end
    changed += data[since:]
    height = JpegImageFile(BytesIO(data)).height
    given, other = (
        _decoded(each, small=small or not progressive) for each in (data, bytes(changed))
    )
    box = ImageChops.difference(given, other).getbbox(alpha_only=False)
    if box is not None:
        share = 1 - box[1] / given.height
        if share > max(LAST_SHARE, LAST_ROWS / height):
            raise PictureError(
                f"{label} is damaged (its data end early, the lower {share:.0%} is missing);"
                " copy it again from where it came from"
            )
        return f"its data end early, the lower {share:.1%} is damaged"
    return "its last scans are missing, and detail with them" if _lacks_detail(scans) else None


def _scans(data: Data) -> Iterator[Scan]:
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF or data[position + 1] in (0x00, 0xFF):
            position += 1
            continue
        marker, length = (
            data[position + 1],
            int.from_bytes(data[position + 2 : position + 4], "big"),
        )
        if marker == END_OF_IMAGE:
            return
        start, position = position + 4, position + 2 + length
        if marker == START_OF_SCAN:
            count = data[start]
            components = bytes(data[start + 1 : start + 1 + 2 * count : 2])
            first, last, bits = data[start + 1 + 2 * count : start + 4 + 2 * count]
            found = SCAN_END.search(data, position)
            position = found.start() if found else len(data)
            yield Scan(components, first, last, bits & 15, position)


def _lacks_detail(scans: list[Scan]) -> bool:
    """Whether a coefficient, or its last bits, are in no scan."""
    missing: dict[tuple[int, int], int] = {}
    components = {component for scan in scans for component in scan.components}
    for component in components:
        for coefficient in range(COEFFICIENTS):
            missing[component, coefficient] = 1
    for scan in scans:
        for component in scan.components:
            for coefficient in range(scan.first, min(scan.last, COEFFICIENTS - 1) + 1):
                missing[component, coefficient] = scan.bit
    return any(missing.values())


def _decoded(data: Data, *, small: bool) -> JpegImageFile:
    """Decode, to an eighth of the size where that is enough."""
    image = JpegImageFile(BytesIO(data))
    if small:
        image.draft(None, (max(image.width // 8, 1), max(image.height // 8, 1)))
    image.load()
    return image
