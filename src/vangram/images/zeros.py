"""Compressed data that were lost and replaced by zeros: WebP, AVIF and HEIC have no checksums."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from vangram.errors import PictureError
from vangram.images.encoded import Data

HARMLESS = 64
"""Zeros in a row in any data."""
PIXELS_A_ZERO = 4096
"""Pixels of a byte of zero in flat areas: 10,000 were measured in WebP, more in AVIF."""
ZEROS = re.compile(rb"\0{%d,}" % HARMLESS)


def check_zeros(data: Data, size: tuple[int, int], label: str) -> None:
    """Refuse image data with more zeros in a row than flat areas have.

    Args:
        data: the file.
        size: (height, width) of the picture.
        label: its name in messages.

    Raises:
        PictureError: there are such zeros.
    """
    parts = _webp_data(data, 12) if data[8:12] == b"WEBP" else _boxed_data(data)
    for start, end in parts:
        longest = max((len(run[0]) for run in ZEROS.finditer(data, start, end)), default=0)
        if longest > HARMLESS + size[0] * size[1] / PIXELS_A_ZERO:
            raise PictureError(
                f"{label} is damaged ({longest} bytes of its pixels are zero);"
                " copy it again from where it came from"
            )


def _webp_data(data: Data, position: int) -> Iterator[tuple[int, int]]:
    """Where the compressed pixels of a WebP are, those of its frames as well."""
    while position + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, position)
        start, end = position + 8, min(position + 8 + length, len(data))
        if name in (b"VP8 ", b"VP8L", b"ALPH"):
            yield start, end
        position = start + 16 if name == b"ANMF" else end + length % 2


def _boxed_data(data: Data) -> Iterator[tuple[int, int]]:
    """Where the `mdat` boxes of an ISO base media file are (ISO/IEC 14496-12, 4.2)."""
    position = 0
    while position + 8 <= len(data):
        length, header = int.from_bytes(data[position : position + 4], "big"), 8
        if length == 1:
            length, header = int.from_bytes(data[position + 8 : position + 16], "big"), 16
        end = len(data) if length == 0 else min(position + length, len(data))
        if data[position + 4 : position + 8] == b"mdat":
            yield position + header, end
        position = max(end, position + 8)
