"""Frames of animated files."""

from __future__ import annotations

import os

from PIL import Image as Pillow
from PIL import ImageSequence, UnidentifiedImageError
from torch import Tensor

from vangram.errors import PictureError
from vangram.images.picture import MAX_PIXELS
from vangram.images.read import read_picture
from vangram.storage.files import quoted, reason


def read_frames(path: str | os.PathLike[str]) -> list[Tensor]:
    """Frames of an animated GIF, WebP, PNG or TIFF, (1, 3, H, W) sRGB each.

    Raises:
        PictureError: the file is no animation, or damaged.
    """
    try:
        with Pillow.open(path, formats=("GIF", "WEBP", "PNG", "TIFF")) as film:
            if film.size[0] * film.size[1] > MAX_PIXELS:
                raise PictureError(f"{quoted(path)} has frames that are too large")
            return [
                read_picture(frame.convert("RGB")).pixels for frame in ImageSequence.Iterator(film)
            ]
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise PictureError(f"{quoted(path)} cannot be read as a film ({reason(error)})") from error
