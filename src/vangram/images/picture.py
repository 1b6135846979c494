"""What a decoded picture is to the rest of the program."""

from dataclasses import dataclass

from torch import Tensor

MAX_PIXELS = 400_000_000
"""Largest picture read by default: height times width, checked before decoding."""

MIN_SIDE = 2
"""Shortest side read, in pixels: below it there is nothing to repaint."""


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture, decoded once: upright, in sRGB, alpha kept beside.

    Two pictures are equal only if they are the same one; tensors have no single truth to compare.
    """

    pixels: Tensor
    """(1, 3, H, W) float32 sRGB in [0, 1], not multiplied by alpha."""

    alpha: Tensor | None
    """(1, 1, H, W) float32 in [0, 1]; None for a picture that is opaque everywhere."""

    exif: bytes | None
    """EXIF to pass on: orientation 1, no thumbnail, nothing that no longer holds."""

    sha256: str | None
    """Of the file's bytes, in hexadecimal; None for a Pillow image or a tensor."""

    name: str
    """The path as given, "<image>" or "<tensor>"."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = self.pixels.shape[-2:]
        return height, width
