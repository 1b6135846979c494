"""The decoded picture."""

from dataclasses import dataclass

from torch import Tensor

MAX_PIXELS = 400_000_000
"""Default limit of height * width, checked before decoding."""

MIN_SIDE = 2
"""Least height and width in pixels."""


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
    """SHA-256 of the file, in hexadecimal; None for a Pillow image or a tensor."""

    name: str
    """The path as given, "<image>" or "<tensor>"."""

    notes: tuple[str, ...] = ()
    """What was lost or repaired in reading, a line each."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = self.pixels.shape[-2:]
        return height, width
