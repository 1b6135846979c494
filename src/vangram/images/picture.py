"""The decoded picture, and how large it may be."""

from dataclasses import dataclass
from fractions import Fraction

import psutil
from torch import Tensor

from vangram.errors import SizeError

MAX_PIXELS = 400_000_000
"""Limit of height * width where there is memory enough."""

MIN_SIDE = 2
"""Least height and width in pixels."""

SAME_SHAPE = 0.02
"""Largest relative difference between aspect ratios that are taken for the same."""

READING_BYTES = 32
"""Memory in bytes per pixel while a picture is read, at most; measured at 17 to 30: Pillow's image,
the file, float32 pixels and alpha."""

FREE_SHARE = 0.7
"""Share of the free memory that reading may take where none is given."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture: upright, in sRGB, with its alpha beside. Compared by identity."""

    pixels: Tensor
    """(1, 3, H, W) float32 sRGB in [0, 1], straight (not multiplied by alpha)."""

    alpha: Tensor | None
    """(1, 1, H, W) float32 in [0, 1]; None if opaque everywhere."""

    exif: bytes | None
    """EXIF for a result: orientation 1, no thumbnail, nothing that describes the old file."""

    sha256: str | None
    """SHA-256 of the file, in hexadecimal; None for a Pillow image, an array or a tensor."""

    name: str
    """The path as given, "<file>", "<image>", "<array>" or "<tensor>"."""

    notes: tuple[str, ...] = ()
    """Losses and repairs in reading, a line each."""

    seconds: Fraction | None = None
    """Duration of a frame of an animation; None: no such frame."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = self.pixels.shape[-2:]
        return height, width


def largest_within(memory: int | None = None) -> int:
    """Most pixels of a picture that can be read within so many bytes, or within what is free."""
    if memory is None:
        memory = int(FREE_SHARE * psutil.virtual_memory().available)
    return min(MAX_PIXELS, memory // READING_BYTES)


def check_size(size: tuple[int, int], largest: int, label: str, *, least: int = MIN_SIDE) -> None:
    """Check height and width before anything of that size is made.

    Raises:
        SizeError: a side is shorter than `least`, or there are more than `largest` pixels.
    """
    height, width = size
    if min(size) < least:
        raise SizeError(f"{label} has {width} x {height} px; both sides must have at least {least}")
    if height * width > largest:
        more = ", or give more memory" if largest < MAX_PIXELS // 2 else ""
        raise SizeError(
            f"{label} has {width} x {height} px, more than the limit of {largest} px; make it"
            f" smaller{more}"
        )
