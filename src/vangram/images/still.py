"""Still pictures of each format: checked, and opened for decoding."""

from __future__ import annotations

import mmap
from io import BytesIO
from typing import BinaryIO

from PIL import Image

from vangram.images import read_heif, read_jpeg, read_png, read_tiff
from vangram.images.colour_space import RGBSpace
from vangram.images.decode import check_deep_profile, rows_of
from vangram.images.encoded import Data, Encoded, Rows
from vangram.images.exif import exif_of, exif_of_tiff
from vangram.images.formats import opened_by_pillow
from vangram.images.picture import MIN_SIDE, check_size
from vangram.images.zeros import check_zeros

PROFILE = 34675
"""TIFF tag of an ICC profile."""


def data_of(handle: BinaryIO) -> Data:
    """A file's bytes, read as they are touched."""
    if isinstance(handle, BytesIO):
        return handle.getvalue()
    return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)


def still(
    handle: BinaryIO, format: str, label: str, largest: int, wanted: int | None = None
) -> Encoded:
    """Open a picture of any format but GIF; of several pages or frames the first.

    Args:
        handle: the file.
        format: as `format_of` says.
        label: its name in messages.
        largest: most pixels.
        wanted: longer side in pixels that suffices, where that is known; a JPEG with more than
            `largest` pixels is decoded to a smaller size that is no shorter.

    Raises:
        PictureError: the file is damaged, or cannot be read without loss.
        SizeError: it has too many pixels, or too few.
    """
    if format == "PNG":
        return of_png(read_png.parse(data_of(handle), label), label, largest)
    if format == "TIFF":
        pages = list(read_tiff.pages(handle))
        return of_tiff(handle, pages, read_tiff.choose_page(pages, label), label, largest)
    image = opened_by_pillow(handle, format, label)
    reduced = None
    if format == "JPEG" and wanted is not None:
        reduced = read_jpeg.reduce(image, largest, wanted)
    check_size((image.height, image.width), largest, label)
    encoded = of_image(image, label)
    data = data_of(handle)
    if format == "JPEG":
        decode = encoded.decode
        encoded.notes += [reduced] if reduced else []

        def checked() -> Rows:
            if note := read_jpeg.check_pixels(data, label, small=bool(reduced)):
                encoded.notes.append(note)
            return decode()

        encoded.decode = checked
    if format in ("WEBP", "AVIF", "HEIF"):
        if note := check_zeros(data, encoded.size, label):
            encoded.notes.append(note)
        if (frames := getattr(image, "n_frames", 1)) > 1:
            encoded.choice = f"it has {frames} frames, the first is read"
    if format in ("AVIF", "HEIF") and not image.info.get("icc_profile"):
        encoded.space = read_heif.space_of(data, label)
    return encoded


def of_image(image: Image.Image, label: str, space: RGBSpace | None = None) -> Encoded:
    """A Pillow image, loaded or not."""

    def decode() -> Rows:
        image.load()
        encoded.size = image.height, image.width  # Pillow turns a TIFF given upright as it loads
        return rows_of(image, label, encoded.notes)

    encoded = Encoded((image.height, image.width), decode, lambda: exif_of(image), space)
    return encoded


def of_png(
    found: read_png.Png, label: str, largest: int, frame: read_png.Frame | None = None
) -> Encoded:
    """A PNG, or a frame of one that is an animation."""
    header = found.header if frame is None else frame
    check_size(
        (header.height, header.width), largest, label, least=MIN_SIDE if frame is None else 1
    )
    image = found.image(frame)
    encoded = of_image(image, label, found.space)
    decode = encoded.decode
    if found.is_deep:
        check_deep_profile(found.profile, label)

    def checked() -> Rows:
        read_png.check_pixels(found, frame)
        return found.rows(frame) if found.is_deep else decode()

    encoded.decode, encoded.notes = checked, found.notes
    if frame is None and found.frames:
        encoded.choice = "it is an animation, its default picture is read"
    return encoded


def of_tiff(
    handle: BinaryIO, pages: list[read_tiff.Tags], page: int, label: str, largest: int
) -> Encoded:
    """A page of a TIFF."""
    tags = pages[page]
    read_tiff.check_numbers(tags, label)
    size = read_tiff.size_of(tags)
    check_size(size, largest, label)
    if not read_tiff.needs_tifffile(tags):
        image = opened_by_pillow(handle, "TIFF", label)
        if page:
            image.seek(page)
        encoded = of_image(image, label)
        exif = exif_of(image)  # before loading, after which Pillow does not know the file any more
        encoded.exif = lambda: exif
    else:
        check_deep_profile(tags.get(PROFILE), label)
        encoded = Encoded(
            size,
            lambda: read_tiff.colour_rows(handle, page, tags, label),
            lambda: exif_of_tiff(handle),
        )
    whole = sum(not read_tiff.is_reduced(each) for each in pages)
    if whole > 1:
        encoded.choice = f"it has {whole} pages, the first is read"
    return encoded
