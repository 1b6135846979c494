"""Reading a file, a Pillow image or a tensor as a `Picture`, without loss or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from torch import Tensor

from vangram.errors import PictureError, ShapeError
from vangram.images import png, tiff
from vangram.images.animation import Frame, frames_in
from vangram.images.decode import assembled
from vangram.images.encoded import Encoded
from vangram.images.exif import kept_exif, orientation_of
from vangram.images.formats import decoding, format_of, is_raw, opened_by_pillow
from vangram.images.open import opened
from vangram.images.picture import Picture, check_size, largest_within
from vangram.images.still import data_of, of_image, still
from vangram.images.xmp import unpacked
from vangram.storage.files import quoted, sha256_of

Source = str | os.PathLike[str] | Image.Image | Tensor
"""A picture given: a path, a Pillow image, or a tensor (3, H, W) in [0, 1]."""

XMP = 700
"""TIFF tag of an XMP packet."""


def read_picture(
    source: Source, *, largest: int | None = None, wanted: int | None = None
) -> Picture:
    """Read a picture: upright, converted to sRGB, alpha and EXIF kept.

    The first frame of an animation and the first whole page of a TIFF are read.

    Args:
        source: the path of a JPEG, PNG, WebP, TIFF, AVIF, HEIC, GIF or BMP; a Pillow image; or a
            tensor of shape (3, H, W) or (1, 3, H, W), floating-point in [0, 1] or uint8.
        largest: limit of height * width, checked before decoding; None: what the memory allows.
        wanted: longer side in pixels that suffices, where it is known. A JPEG with more than
            `largest` pixels is then decoded to a smaller size, no shorter than that.

    Returns:
        The picture; a tensor's stays on its device, all others are on the CPU.

    Raises:
        PictureError: the source is no picture, damaged, or cannot be read without loss.
        SizeError: a side is shorter than 2 pixels, or there are more than `largest` pixels.
        ShapeError: a tensor has another shape.
    """
    largest = largest_within() if largest is None else largest
    if isinstance(source, Tensor):
        return _from_tensor(source, largest)
    if isinstance(source, Image.Image):
        with decoding("the image"):
            return _picture(_of_image(source, largest), "<image>", "the image")
    name, label = os.fspath(source), quoted(source)
    if is_raw(source):
        raise tiff.raw_file(label)
    with opened(source) as handle:
        with decoding(label):
            format = format_of(handle, label)
            if format == "GIF":
                count, frames = frames_in(handle, format, label, largest)
                notes = (f"{label}: it has {count} frames, the first is read",) * (count > 1)
                picture = replace(_of_frame(next(frames), name), notes=notes)
            else:
                picture = _picture(still(handle, format, label, largest, wanted), name, label)
        return replace(picture, sha256=sha256_of(handle))


@contextmanager
def read_frames(
    path: str | os.PathLike[str], *, largest: int | None = None
) -> Iterator[tuple[int, Iterator[Picture]]]:
    """Read the frames of an animation or the pages of a TIFF; of other pictures the one there is.

    Args:
        path: of the file, which is open as long as the context.
        largest: limit of height * width; None: what the memory allows.

    Yields:
        How many there are, and the frames, each read as it is asked for.

    Raises:
        PictureError: as `read_picture`.
        SizeError: as `read_picture`.
    """
    label = quoted(path)
    with opened(path) as handle:
        with decoding(label):
            format = format_of(handle, label)
            count, frames = frames_in(handle, format, label, largest or largest_within())

        def read() -> Iterator[Picture]:
            for _ in range(count):
                with decoding(label):  # and not while the caller works on the frame
                    frame = next(frames)
                yield _of_frame(frame, os.fspath(path))

        yield count, read()


def read_recipe(path: str | os.PathLike[str]) -> str | None:
    """The recipe text in a picture's XMP packet; None if there is none.

    Raises:
        PictureError: the file is no picture or cannot be read.
    """
    label = quoted(path)
    with opened(path) as handle, decoding(label):
        format = format_of(handle, label)
        if format == "PNG":
            packet: object = png.parse(data_of(handle), label).texts.get("XML:com.adobe.xmp")
        elif format == "TIFF":
            packet = next(tiff.pages(handle), {}).get(XMP)
        else:
            packet = opened_by_pillow(handle, format, label).info.get("xmp")
        if isinstance(packet, tuple):  # some programs write an array of bytes, or of texts
            numbers = all(isinstance(value, int) and 0 <= value < 256 for value in packet)
            packet = bytes(packet) if numbers else packet[0]
        return unpacked(packet) if isinstance(packet, bytes | str) else None


def _from_tensor(tensor: Tensor, largest: int) -> Picture:
    """Check and copy a tensor."""
    shape = tuple(tensor.shape)
    if shape[-3:-2] != (3,) or shape[:-3] not in ((), (1,)):
        raise ShapeError(f"a picture is (3, H, W) or (1, 3, H, W), not {shape}")
    check_size((shape[-2], shape[-1]), largest, "the tensor")
    given = tensor.detach()
    if given.dtype == torch.uint8:
        pixels = given.to(torch.float32) / 255
    elif given.is_floating_point():
        pixels = given.to(torch.float32, copy=True)
    else:
        raise PictureError(
            f"the tensor holds {given.dtype}; give floating-point values in [0, 1] or uint8"
        )
    if not bool(torch.isfinite(pixels).all()):
        raise PictureError("the tensor holds values that are not finite; give values in [0, 1]")
    lowest, highest = float(pixels.min()), float(pixels.max())
    if lowest < 0 or highest > 1:
        raise PictureError(
            f"the tensor holds values from {lowest:g} to {highest:g}; give values in [0, 1]"
        )
    pixels = pixels.reshape(1, *shape[-3:]).contiguous()
    return Picture(pixels, alpha=None, exif=None, sha256=None, name="<tensor>")


def _of_image(image: Image.Image, largest: int) -> Encoded:
    """Open a Pillow image, and refuse colours of more than 8 bits that Pillow truncates."""
    label = "the image"
    check_size((image.height, image.width), largest, label)
    if isinstance(image, TiffImageFile):
        tiff.check_numbers(image.tag_v2, label)
        if tiff.needs_tifffile(image.tag_v2):
            raise PictureError(f"{label} has 16 bits a channel, cut to 8 by Pillow; give its path")
    if isinstance(image, PngImageFile) and image.mode != "I;16":
        layouts = [tile.args for tile in image.tile]
        if any(isinstance(layout, str) and layout.endswith(";16B") for layout in layouts):
            raise PictureError(f"{label} has 16 bits a channel, cut to 8 by Pillow; give its path")
    return of_image(image, label)


def _of_frame(frame: Frame, name: str) -> Picture:
    pixels, alpha = frame
    return Picture(pixels, alpha, exif=None, sha256=None, name=name)


def _picture(encoded: Encoded, name: str, label: str) -> Picture:
    """Decode, upright."""
    rows = encoded.decode()
    exif = encoded.exif()
    pixels, alpha = assembled(rows, encoded.size, encoded.space, orientation_of(exif))
    notes = tuple(f"{label}: {note}" for note in encoded.notes)
    return Picture(pixels, alpha, kept_exif(exif), sha256=None, name=name, notes=notes)
