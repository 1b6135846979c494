"""Opening files with Pillow: allowed formats, limits, no warnings."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import RLock
from typing import Any, BinaryIO

from PIL import Image

from vangram.errors import PictureError, SizeError
from vangram.images.tiff16 import tiff_tags
from vangram.storage.files import reason

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
"""Pillow's names of the formats that are read."""

_one_at_a_time = RLock()


def is_tiff(handle: BinaryIO) -> bool:
    """Whether a file has a TIFF's signature."""
    return _format_of(handle) == "TIFF"


def tags_of(handle: BinaryIO, said: str) -> Mapping[int, Any]:
    """Tags of a TIFF, or an error of ours."""
    try:
        return tiff_tags(handle)
    except Exception as error:  # damaged tags make Pillow raise nearly anything
        raise undecodable(said, error) from None


def header_of(handle: BinaryIO, said: str) -> Image.Image:
    """Open a picture of an allowed format, without decoding it."""
    format = _format_of(handle)
    if format is None:
        raise PictureError(f"{said} is no JPEG, PNG, WebP or TIFF; convert it to one of them")
    try:
        return Image.open(handle, formats=[format])
    except Image.DecompressionBombError:
        raise
    except Exception as error:  # damaged headers make Pillow raise nearly anything
        raise undecodable(said, error) from None


def _format_of(handle: BinaryIO) -> str | None:
    """The allowed format that a file's first bytes announce; None if it is of no such format."""
    Image.init()
    handle.seek(0)
    start = handle.read(16)
    for name in FORMATS:
        accepts = Image.OPEN[name][1]
        if accepts is not None and accepts(start):
            return name
    return None


def undecodable(said: str, error: Exception) -> PictureError:
    """The error for a file of an allowed format that cannot be decoded."""
    return PictureError(
        f"{said} is damaged or of an unusual kind ({reason(error)}); save it again as PNG or JPEG"
    )


@contextmanager
def pillow_within(largest: int, said: str) -> Iterator[None]:
    """Set Pillow's limit of pixels and silence its warnings about metadata.

    Both are global to the process, so one thread decodes at a time.
    """
    with _one_at_a_time, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        kept = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = largest
        try:
            yield
        except Image.DecompressionBombError:
            raise SizeError(
                f"{said} has more pixels than the limit of {largest};"
                " make it smaller or raise the limit"
            ) from None
        finally:
            Image.MAX_IMAGE_PIXELS = kept
