"""AVIF and HEIC: the colour space of pictures without an ICC profile."""

from __future__ import annotations

import struct

from vangram.images.colour_space import RGBSpace
from vangram.images.encoded import Data

HEADER = 2**16
"""Bytes within which the boxes of the main picture's properties are."""


def space_of(data: Data, label: str) -> RGBSpace | None:
    """The colour space of the first nclx box (ISO/IEC 14496-12, 12.1.5); None: sRGB.

    The decoders leave the range full and apply the matrix; primaries and transfer are ours.

    Raises:
        PictureError: the transfer function has a high dynamic range.
    """
    found = data.find(b"colrnclx", 0, HEADER)
    if found < 0 or found + 14 > len(data):
        return None
    primaries, transfer = struct.unpack_from(">2H", data, found + 8)
    return RGBSpace.of_codes(primaries, transfer, True, label)
