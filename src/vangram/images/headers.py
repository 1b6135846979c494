"""Headers: what a file says it is, read by Pillow within our limits and without its noise."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import RLock
from typing import Any, BinaryIO

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from vangram.errors import PictureError, SizeError
from vangram.images.tiff16 import tiff_tags
from vangram.storage.files import reason

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_one_at_a_time = RLock()


def is_tiff(handle: BinaryIO) -> bool:
    """Whether a file starts as a TIFF does."""
    handle.seek(0)
    return handle.read(4) in TIFF_SIGNATURES


def tags_of(handle: BinaryIO, said: str) -> Mapping[int, Any]:
    """Read a TIFF's tags, or refuse it."""
    try:
        return tiff_tags(handle)
    except Exception as error:  # damaged tags make Pillow raise nearly anything
        raise undecodable(said, error) from None


def header_of(handle: BinaryIO, said: str) -> Image.Image:
    """Read a picture's header, if it is of a format that we take.

    By the format's own class and not by `Image.open`, which would warn of large pictures.
    """
    handle.seek(0)
    start = handle.read(12)
    handle.seek(0)
    try:
        if start.startswith(b"\xff\xd8\xff"):
            return JpegImageFile(handle)
        if start.startswith(b"\x89PNG\r\n\x1a\n"):
            return PngImageFile(handle)
        if start.startswith(b"RIFF") and start.endswith(b"WEBP"):
            return WebPImageFile(handle)
        if start[:4] in TIFF_SIGNATURES:
            return TiffImageFile(handle)
    except Image.DecompressionBombError:
        raise
    except Exception as error:  # damaged headers make Pillow raise nearly anything
        raise undecodable(said, error) from None
    raise PictureError(f"{said} is no JPEG, PNG, WebP or TIFF; convert it to one of them")


def undecodable(said: str, error: Exception) -> PictureError:
    """Say that a file looked like a picture and could not be decoded."""
    return PictureError(
        f"{said} is damaged or of an unusual kind ({reason(error)}); save it again as PNG or JPEG"
    )


@contextmanager
def pillow_within(largest: int, said: str) -> Iterator[None]:
    """Have Pillow keep to our limit of pixels, and keep quiet about damaged metadata.

    Both are global to the process, so only one thread at a time decodes.
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
