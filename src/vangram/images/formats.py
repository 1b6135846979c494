"""The formats that are read, and Pillow with our limits and our errors."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from threading import RLock
from typing import BinaryIO

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from vangram.errors import PictureError, SizeError, VangramError
from vangram.storage.files import reason

SUFFIXES = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif"),
    "GIF": (".gif",),
    "BMP": (".bmp",),
}
"""Pillow's name of each format -> how names of its files end."""

READ_SUFFIXES = tuple(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)

# fmt: off
RAW_SUFFIXES = {
    ".3fr", ".arw", ".bay", ".cap", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".eip", ".erf",
    ".fff", ".gpr", ".iiq", ".k25", ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf",
    ".pef", ".ptx", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
}
# fmt: on
"""How names of cameras' raw files end."""

HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
"""Major brands (ISO/IEC 23008-12, annex B)."""

WEBP_ALPHA, WEBP_ANIMATION = 0x10, 0x02
"""Flags at the 21st byte of a WebP with a VP8X chunk."""

_one_at_a_time = RLock()


class Tiff(TiffImageFile):
    """A TIFF as it is stored: Pillow would turn it, and fail at metadata that are damaged."""

    def load_end(self) -> None:
        """Undo what Pillow has announced as the size of the turned picture."""
        self._size = self.im.size


def format_of(handle: BinaryIO, label: str) -> str:
    """The format that a file's first bytes announce.

    Raises:
        PictureError: it is none of those that are read, or needs a package that is missing.
    """
    handle.seek(0)
    start = handle.read(32)
    if start[4:8] == b"ftyp" and start[8:12] in HEIF_BRANDS and b"avif" not in start[16:]:
        return "HEIF"
    Image.init()
    for name in SUFFIXES:
        _, accepts = Image.OPEN.get(name, (None, None))
        if accepts is not None and accepts(start) is True:
            return name
    if start[4:12] in (b"ftypavif", b"ftypavis", b"ftypmif1"):
        raise PictureError(f"{label} is an AVIF; pip install 'pillow>=11.3' to read it")
    raise PictureError(
        f"{label} is no JPEG, PNG, WebP, TIFF, AVIF, HEIC, GIF or BMP; convert it to one of them"
    )


def opened_by_pillow(handle: BinaryIO, format: str, label: str) -> Image.Image:
    """Open a file of a known format, without decoding it.

    Raises:
        PictureError: HEIC, and its package is missing.
    """
    handle.seek(0)
    if format == "JPEG":
        return JpegImageFile(handle)  # not as MPO, whose second picture may be damaged
    if format == "TIFF":
        return Tiff(handle)
    if format == "HEIF":
        try:
            plugin = import_module("pillow_heif")
        except ImportError:
            raise PictureError(
                f"{label} is a HEIC; pip install 'vangram[heif]' to read it, or convert it to JPEG"
            ) from None
        image: Image.Image = plugin.HeifImageFile(handle)
        return image
    if format == "WEBP":
        return Image.open(_on_nothing(handle), formats=[format])
    return Image.open(handle, formats=[format])


def _on_nothing(handle: BinaryIO) -> BinaryIO:
    """A WebP, marked as transparent if it is animated, as its canvas is where no frame is drawn.

    Encoders set the mark for the frames alone, and Pillow drops alpha without it.
    """
    start = handle.read(21)
    handle.seek(0)
    flags = start[20] if start[12:16] == b"VP8X" else 0
    if flags & (WEBP_ALPHA | WEBP_ANIMATION) != WEBP_ANIMATION:
        return handle
    return io.BytesIO(start[:20] + bytes([flags | WEBP_ALPHA]) + handle.read()[21:])


def is_raw(path: str | os.PathLike[str]) -> bool:
    """Whether a file's name is that of a camera's raw file."""
    return Path(path).suffix.lower() in RAW_SUFFIXES


@contextmanager
def decoding(label: str) -> Iterator[None]:
    """Turn whatever decoders raise into errors of ours, and silence their warnings.

    Warnings and Pillow's limit of pixels are global to the process, so one thread decodes at a
    time. The limit is ours to check, before anything is decoded.

    Raises:
        PictureError: something was raised that is no error of ours.
        SizeError: there was no memory left.
    """
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        except VangramError:
            raise
        except MemoryError:
            raise SizeError(f"{label} takes more memory to read than there is") from None
        except Exception as error:  # decoders raise nearly anything at damaged files
            raise PictureError(
                f"{label} is damaged or of an unusual kind ({reason(error)});"
                " save it again as PNG or JPEG"
            ) from None
        finally:
            Image.MAX_IMAGE_PIXELS = kept
