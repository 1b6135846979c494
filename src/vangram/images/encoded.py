"""A picture file that is opened and not decoded: what formats have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from mmap import mmap
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from vangram.images.colour_space import RGBSpace

Data: TypeAlias = "bytes | mmap"
"""A file's bytes."""

Samples = npt.NDArray[np.float32]
"""Values in [0, 1]: (h, w) of one channel or (h, w, channels)."""

Rows = Callable[[slice], tuple[Samples, Samples | None]]
"""Rows of a decoded picture as stored: (h, w) grey or (h, w, 3) colours, and (h, w) alpha or None
for an opaque picture."""


@dataclass
class Encoded:
    """A picture, its header read; `decode` does the work."""

    size: tuple[int, int]
    """(height, width) as stored."""
    decode: Callable[[], Rows]
    exif: Callable[[], Image.Exif]
    """EXIF orientation; call it after `decode`, as Pillow turns some formats upright then."""
    space: RGBSpace | None = None
    """The colour space of the rows; None: sRGB, as they are converted by an ICC profile."""
    notes: list[str] = field(default_factory=list)
    choice: str | None = None
    """What is read of a file that has more; None: it has no more."""
    """Losses and repairs, each to follow the file's name and a colon."""
