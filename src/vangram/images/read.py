"""Reading a file, a Pillow image, an array or a tensor as a `Picture`, faithfully or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO, TextIOBase
from typing import IO, Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from torch import Tensor

from vangram.errors import PictureError, ShapeError
from vangram.images import read_png, read_tiff
from vangram.images.animation import Frame, frames_in
from vangram.images.decode import assembled
from vangram.images.encoded import Encoded
from vangram.images.exif import kept_exif, orientation_of
from vangram.images.formats import decoding, format_of, is_raw, opened_by_pillow
from vangram.images.open import opened
from vangram.images.picture import Picture, check_size, largest_within
from vangram.images.still import data_of, of_image, still
from vangram.images.xmp import unpacked
from vangram.storage.files import quoted, reason, sha256_of


class ArrayLike(Protocol):
    """An object that NumPy converts to an array, such as a result."""

    def __array__(self) -> npt.NDArray[Any]:
        """The array."""
        ...


Source = str | os.PathLike[str] | IO[bytes] | Image.Image | ArrayLike | Tensor
"""A picture given: a path, an open file, a Pillow image, an array (H, W, 3), uint8 or in [0, 1], or
a tensor (3, H, W) in [0, 1]."""

XMP = 700
"""TIFF tag of an XMP packet."""


def read_picture(
    source: Source, *, largest: int | None = None, wanted: int | None = None
) -> Picture:
    """Read a picture: upright, converted to sRGB, alpha and EXIF kept.

    The first frame of an animation and the first whole page of a TIFF are read.

    Args:
        source: the path of a JPEG, PNG, WebP, TIFF, AVIF, HEIC, GIF or BMP, or such a file, open; a
            Pillow image; an array of shape (H, W, 3), or (H, W, 4) with alpha, or (H, W), grey; or
            a tensor of shape (3, H, W) or (1, 3, H, W). Arrays and tensors are floating-point in
            [0, 1] or uint8, masks also bool.
        largest: limit of height * width, checked before decoding; None: what the memory allows.
        wanted: longer side in pixels that suffices, where it is known. A JPEG with more than
            `largest` pixels is then decoded to a smaller size, no shorter than that.

    Returns:
        The picture; a tensor's stays on its device, all others are on the CPU.

    Raises:
        PictureError: the source is no picture, damaged, or cannot be read without loss.
        SizeError: a side is shorter than 2 pixels, or there are more than `largest` pixels.
        ShapeError: an array or a tensor has another shape.
    """
    largest = largest_within() if largest is None else largest
    if isinstance(source, Tensor):
        return _from_tensor(source, largest)
    if isinstance(source, Image.Image):
        with decoding("the image"):
            return _picture(_of_image(source, largest), "<image>", "the image")
    if isinstance(source, str | os.PathLike) and isinstance(name := os.fspath(source), str):
        if is_raw(source):
            raise read_tiff.raw_file(quoted(name))
        with opened(source) as handle:
            return _of_file(handle, name, quoted(name), largest, wanted)
    if hasattr(source, "read"):
        given = getattr(source, "name", None)
        name, label = (given, quoted(given)) if isinstance(given, str) else ("<file>", "the file")
        return _of_file(_in_memory(source, label), name, label, largest, wanted)
    if hasattr(source, "__array__"):
        return _from_array(np.asarray(source), largest)
    hint = ": give io.BytesIO of them" * isinstance(source, bytes | bytearray | memoryview)
    raise PictureError(
        "a picture is a path, an open file, a Pillow image, an array (H, W, 3) or a tensor"
        f" (3, H, W), not {type(source).__name__}{hint}"
    )


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
                yield _of_frame(frame, os.fspath(path), label)

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
            packet: object = read_png.parse(data_of(handle), label).texts.get("XML:com.adobe.xmp")
        elif format == "TIFF":
            packet = next(read_tiff.pages(handle), {}).get(XMP)
        else:
            packet = opened_by_pillow(handle, format, label).info.get("xmp")
        if isinstance(packet, tuple):  # some programs write an array of bytes, or of texts
            numbers = all(isinstance(value, int) and 0 <= value < 256 for value in packet)
            packet = bytes(packet) if numbers else packet[0]
        return unpacked(packet) if isinstance(packet, bytes | str) else None


def _in_memory(file: Any, label: str) -> BytesIO:
    """The content of an open file, from its beginning where it can be rewound."""
    if isinstance(file, TextIOBase):
        raise PictureError(f"{label} is open as text; open it in mode 'rb'")
    try:
        if file.seekable():
            file.seek(0)
        content = file.read()
    except Exception as error:  # of any kind of file
        raise PictureError(f"{label} cannot be read ({reason(error)}); open it again") from None
    if not isinstance(content, bytes) or not content:
        raise PictureError(f"{label} gives no bytes; open it in mode 'rb'")
    return BytesIO(content)


def _of_file(handle: BinaryIO, name: str, label: str, largest: int, wanted: int | None) -> Picture:
    """Read an open file."""
    with decoding(label):
        format = format_of(handle, label)
        if format == "GIF":
            count, frames = frames_in(handle, format, label, largest)
            picture = _of_frame(next(frames), name, label)
            choice = (f"{label}: it has {count} frames, the first is read",) * (count > 1)
            picture = replace(picture, notes=picture.notes + choice)
        else:
            picture = _picture(still(handle, format, label, largest, wanted), name, label)
    return replace(picture, sha256=sha256_of(handle))


def _from_array(array: npt.NDArray[Any], largest: int) -> Picture:
    """Check and copy an array."""
    shape = array.shape
    channels = shape[2] if len(shape) == 3 else 1
    if len(shape) not in (2, 3) or channels not in (1, 3, 4):
        hint = "; move the channels to the end" if shape[:1] in ((3,), (4,)) else ""
        raise ShapeError(f"an array is (H, W), (H, W, 3) or (H, W, 4), not {shape}{hint}")
    check_size((shape[0], shape[1]), largest, "the array")
    if array.dtype != np.uint8 and array.dtype.kind not in "fb":
        raise PictureError(
            f"the array holds {array.dtype}; give floating-point values in [0, 1] or uint8"
        )
    planes = np.moveaxis(array.reshape(*shape[:2], channels), -1, 0).astype(np.float32, order="C")
    planes /= 255 if array.dtype == np.uint8 else 1
    values = torch.from_numpy(planes)[None]
    _check_values(values, "the array")
    colours, alpha = values[:, :3], values[:, 3:]
    pixels = colours.expand(-1, 3, -1, -1).contiguous()
    opaque = channels < 4 or bool((alpha == 1).all())
    shown = None if opaque else alpha.contiguous()
    return Picture(pixels, alpha=shown, exif=None, sha256=None, name="<array>")


def _check_values(values: Tensor, label: str) -> None:
    """Refuse values that are no colours."""
    if not bool(torch.isfinite(values).all()):
        raise PictureError(f"{label} holds values that are not finite; give values in [0, 1]")
    lowest, highest = float(values.min()), float(values.max())
    if lowest < 0 or highest > 1:
        raise PictureError(
            f"{label} holds values from {lowest:g} to {highest:g}; give values in [0, 1]"
        )


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
    _check_values(pixels, "the tensor")
    pixels = pixels.reshape(1, *shape[-3:]).contiguous()
    return Picture(pixels, alpha=None, exif=None, sha256=None, name="<tensor>")


def _of_image(image: Image.Image, largest: int) -> Encoded:
    """Open a Pillow image, and refuse colours of more than 8 bits that Pillow truncates."""
    label = "the image"
    check_size((image.height, image.width), largest, label)
    if isinstance(image, TiffImageFile):
        read_tiff.check_numbers(image.tag_v2, label)
        if read_tiff.needs_tifffile(image.tag_v2):
            raise PictureError(f"{label} has 16 bits a channel, cut to 8 by Pillow; give its path")
    if isinstance(image, PngImageFile) and image.mode != "I;16":
        layouts = [tile.args for tile in image.tile]
        if any(isinstance(layout, str) and layout.endswith(";16B") for layout in layouts):
            raise PictureError(f"{label} has 16 bits a channel, cut to 8 by Pillow; give its path")
    return of_image(image, label)


def _of_frame(frame: Frame, name: str, label: str) -> Picture:
    pixels, alpha, seconds, found = frame
    notes = tuple(f"{label}: {note}" for note in found)
    return Picture(pixels, alpha, exif=None, sha256=None, name=name, notes=notes, seconds=seconds)


def _picture(encoded: Encoded, name: str, label: str) -> Picture:
    """Decode, upright."""
    rows = encoded.decode()
    exif = encoded.exif()
    pixels, alpha = assembled(rows, encoded.size, encoded.space, orientation_of(exif))
    found = [*encoded.notes, *([encoded.choice] if encoded.choice else [])]
    notes = tuple(f"{label}: {note}" for note in found)
    return Picture(pixels, alpha, kept_exif(exif), sha256=None, name=name, notes=notes)
