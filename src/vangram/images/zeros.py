"""Compressed data that were lost and replaced by zeros: WebP, AVIF and HEIC have no checksums."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from io import BytesIO

from PIL import Image, ImageChops

from vangram.errors import PictureError
from vangram.images.encoded import Data

ZEROS = re.compile(rb"\0{64,}")
"""More zeros in a row than most data have."""
PIXELS_A_ZERO = 1024
"""Pixels of flat areas that become a byte of zero in lossy data; 10,000 in libwebp's."""
TAIL = 64
"""Bytes without which lossless data cannot be decoded to the end."""


def check_zeros(data: Data, size: tuple[int, int], label: str) -> str | None:
    """Look for image data that are zero where no picture's are.

    Args:
        data: a WebP, AVIF or HEIC.
        size: (height, width) of the picture.
        label: its name in messages.

    Returns:
        A note, where they might be metadata as well, as in AVIF and HEIC.

    Raises:
        PictureError: there are such zeros.
    """
    webp = data[8:12] == b"WEBP"
    for name, start, end in _webp_data(data, 12) if webp else _boxed_data(data):
        longest = max((len(run[0]) for run in ZEROS.finditer(data, start, end)), default=0)
        lossless = name == b"VP8L"
        if longest == 0 or (not lossless and longest < size[0] * size[1] / PIXELS_A_ZERO):
            continue
        if not webp:
            return f"{longest} bytes in a row are zero, some of the picture may be missing"
        if not lossless or not _is_read_to_the_end(data[start:end]):
            raise PictureError(
                f"{label} is damaged ({longest} bytes of its pixels are zero);"
                " copy it again from where it came from"
            )
    return None


def _is_read_to_the_end(lossless: bytes) -> bool:
    """Whether lossless data cannot be decoded without the last of them; lost ones are not read."""
    whole = _decoded(lossless)
    try:
        cut = _decoded(lossless[:-TAIL])
    except (OSError, ValueError):
        return True
    return ImageChops.difference(whole, cut).getbbox(alpha_only=False) is not None


def _decoded(lossless: bytes) -> Image.Image:
    chunk = struct.pack("<4sI", b"VP8L", len(lossless)) + lossless + bytes(len(lossless) % 2)
    file = struct.pack("<4sI4s", b"RIFF", 4 + len(chunk), b"WEBP") + chunk
    image = Image.open(BytesIO(file), formats=["WEBP"])
    image.load()
    return image


def _webp_data(data: Data, position: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the compressed pixels of a WebP and of its frames."""
    while position + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, position)
        start, end = position + 8, min(position + 8 + length, len(data))
        if name in (b"VP8 ", b"VP8L"):
            yield name, start, end
        position = start + 16 if name == b"ANMF" else end + length % 2


def _boxed_data(data: Data) -> Iterator[tuple[bytes, int, int]]:
    """The `mdat` boxes of an ISO base media file (ISO/IEC 14496-12, 4.2)."""
    position = 0
    while position + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        header = 8
        if length == 1 and position + 16 <= len(data):
            (length,), header = struct.unpack_from(">Q", data, position + 8), 16
        end = len(data) if length == 0 else min(position + length, len(data))
        if name == b"mdat":
            yield name, position + header, end
        position = max(end, position + 8)
