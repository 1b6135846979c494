"""The result of a run: pixels and record."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from vangram.images import write_picture
from vangram.settings.record import Record
from vangram.storage.tensors import release_mapped


@dataclass(frozen=True)
class Painting:
    """The result of a run."""

    pixels: Tensor
    """(1, 3, H, W), sRGB in [0, 1]."""
    alpha: Tensor | None
    """(1, 1, H, W) in [0, 1], the photograph's; None: opaque."""
    exif: bytes | None
    """The photograph's."""
    record: Record

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write PNG, JPEG, WebP or TIFF by suffix, with the record inside; overwrites.

        Raises:
            OutputError: the file cannot be written.
        """
        write_picture(
            path,
            self.pixels,
            alpha=self.alpha,
            exif=self.exif,
            recipe=self.record.to_json(),
            release=release_mapped,
        )
        return Path(path)
