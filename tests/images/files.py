"""Files written by hand, a chunk at a time."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

Levels = npt.NDArray[Any]
CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}


def chunk(name: bytes, data: bytes = b"", *, check: int | None = None) -> bytes:
    """A chunk of a PNG, with the checksum given in place of the right one."""
    check = zlib.crc32(name + data) if check is None else check
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)


def header(levels: Levels, interlace: int = 0) -> bytes:
    """IHDR of (h, w, channels) levels of 8 or 16 bits."""
    height, width, channels = levels.shape
    colour = {count: colour for colour, count in CHANNELS.items()}[channels]
    depth = 8 * levels.dtype.itemsize
    return struct.pack(">2I5B", width, height, depth, colour, 0, 0, interlace)


def rows(levels: Levels) -> bytes:
    """What is deflated: rows, each behind its filter type, none."""
    big = levels.astype(levels.dtype.newbyteorder(">"))
    return b"".join(b"\0" + row.tobytes() for row in big)


def png(levels: Levels, *before: bytes, after: bytes = b"", data: bytes | None = None) -> bytes:
    """A PNG of (h, w, channels) levels with chunks before and after its data."""
    data = zlib.compress(rows(levels)) if data is None else data
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header(levels)),
            *before,
            chunk(b"IDAT", data),
            after,
            chunk(b"IEND"),
        )
    )


def levels(height: int, width: int, channels: int, dtype: Any = np.uint8, seed: int = 0) -> Levels:
    """Random levels of 8 or 16 bits."""
    top = np.iinfo(dtype).max + 1
    return np.random.default_rng(seed).integers(0, top, (height, width, channels), dtype=dtype)


def apng(
    canvas: tuple[int, int],
    frames: list[tuple[Levels, int, int, int, int]],
    *,
    default: Levels | None = None,
) -> bytes:
    """An animation of frames (levels, left, top, disposal, blend), RGBA of 8 bits."""
    first = frames[0][0] if default is None else default
    whole = np.zeros((*canvas, 4), np.uint8)
    parts, number = [chunk(b"acTL", struct.pack(">2I", len(frames), 0))], 0
    if default is not None:
        parts.append(chunk(b"IDAT", zlib.compress(rows(default))))
    for each, left, top, disposal, blend in frames:
        size = struct.pack(">5I", number, each.shape[1], each.shape[0], left, top)
        parts.append(chunk(b"fcTL", size + struct.pack(">2H2B", 1, 10, disposal, blend)))
        data, number = zlib.compress(rows(each)), number + 1
        if default is None and each is first:
            parts.append(chunk(b"IDAT", data))
        else:
            parts.append(chunk(b"fdAT", struct.pack(">I", number) + data))
            number += 1
    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header(whole))
    return head + b"".join(parts) + chunk(b"IEND")


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of chunks."""
    body = b"".join(
        struct.pack("<4sI", name, len(data)) + data + bytes(len(data) % 2) for name, data in chunks
    )
    return struct.pack("<4sI4s", b"RIFF", 4 + len(body), b"WEBP") + body
