"""Reading a file, a Pillow image or a tensor as a `Picture`, without loss or not at all."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import BinaryIO

import torch
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from torch import Tensor

from vangram.errors import PictureError, ShapeError, SizeError
from vangram.images.decode import check_deep_profile, decoded, tensors
from vangram.images.exif import exif_of, exif_of_tiff, kept_exif, orientation_of, upright
from vangram.images.headers import header_of, is_tiff, pillow_within, tags_of, undecodable
from vangram.images.open import opened
from vangram.images.picture import MAX_PIXELS, MIN_SIDE, Picture
from vangram.images.tiff16 import check_numbers, colour_samples, is_deep_colour, size_of
from vangram.images.xmp import unpacked
from vangram.storage.files import quoted, sha256_of

Source = str | os.PathLike[str] | Image.Image | Tensor
"""A picture given: a path, a Pillow image, or a tensor (3, H, W) in [0, 1]."""

XMP, PROFILE = 700, 34675
"""TIFF tags of an XMP packet and an ICC profile."""


def read_picture(source: Source, *, largest: int = MAX_PIXELS) -> Picture:
    """Read a picture: upright, converted to sRGB, alpha and EXIF kept.

    The first frame of an animation and the first page of a TIFF are read.

    Args:
        source: the path of a JPEG, PNG, WebP or TIFF; a Pillow image; or a tensor of shape
            (3, H, W) or (1, 3, H, W), floating-point in [0, 1] or uint8.
        largest: limit of height * width, checked before decoding.

    Returns:
        The picture; a tensor's stays on its device, all others are on the CPU.

    Raises:
        PictureError: the source is no picture, or cannot be read without loss.
        SizeError: a side is shorter than 2 pixels, or there are more than `largest` pixels.
        ShapeError: a tensor has another shape.
    """
    if isinstance(source, Tensor):
        return _from_tensor(source, largest)
    if isinstance(source, Image.Image):
        with pillow_within(largest, "the image"):
            return _from_image(source, "<image>", "the image", largest)
    name, said = os.fspath(source), quoted(source)
    with opened(source) as handle:
        with pillow_within(largest, said):
            if is_tiff(handle):
                picture = _from_tiff(handle, name, said, largest)
            else:
                picture = _from_image(header_of(handle, said), name, said, largest)
        return replace(picture, sha256=sha256_of(handle))


def read_recipe(path: str | os.PathLike[str]) -> str | None:
    """The recipe text in a picture's XMP packet; None if there is none.

    Raises:
        PictureError: the file is no picture or cannot be read.
    """
    said = quoted(path)
    with opened(path) as handle, pillow_within(MAX_PIXELS, said):
        if is_tiff(handle):
            packet = tags_of(handle, said).get(XMP)
        else:
            info = header_of(handle, said).info
            packet = info.get("xmp", info.get("XML:com.adobe.xmp"))
    if isinstance(packet, tuple):  # some programs write an array of bytes
        packet = bytes(packet) if all(isinstance(value, int) for value in packet) else packet[0]
    return unpacked(packet) if isinstance(packet, bytes | str) else None


def _from_tensor(tensor: Tensor, largest: int) -> Picture:
    """Check and copy a tensor."""
    shape = tuple(tensor.shape)
    if shape[-3:-2] != (3,) or shape[:-3] not in ((), (1,)):
        raise ShapeError(f"a picture is (3, H, W) or (1, 3, H, W), not {shape}")
    _check_size((shape[-2], shape[-1]), largest, "the tensor")
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


def _from_image(image: Image.Image, name: str, said: str, largest: int) -> Picture:
    """Decode a Pillow image, loaded or not."""
    _check_size((image.height, image.width), largest, said)
    _check_depth(image, said)
    try:
        image.load()
    except Exception as error:  # decoders raise nearly anything at damaged files
        raise undecodable(said, error) from None
    # After loading: Pillow rotates a TIFF as it loads, and resets the orientation in its EXIF.
    exif = exif_of(image)
    return _picture(*decoded(image, said), exif, name)


def _from_tiff(handle: BinaryIO, name: str, said: str, largest: int) -> Picture:
    """Decode a TIFF: colours of more than 8 bits with tifffile, all else with Pillow."""
    tags = tags_of(handle, said)
    check_numbers(tags, said)
    if not is_deep_colour(tags):
        return _from_image(header_of(handle, said), name, said, largest)
    _check_size(size_of(tags), largest, said)
    check_deep_profile(tags.get(PROFILE), said)
    pixels, alpha = tensors(*colour_samples(handle, tags, said))
    return _picture(pixels, alpha, exif_of_tiff(handle), name)


def _picture(pixels: Tensor, alpha: Tensor | None, exif: Image.Exif, name: str) -> Picture:
    """Assemble an upright picture."""
    orientation = orientation_of(exif)
    return Picture(
        pixels=upright(pixels, orientation),
        alpha=None if alpha is None else upright(alpha, orientation),
        exif=kept_exif(exif),
        sha256=None,
        name=name,
    )


def _check_depth(image: Image.Image, said: str) -> None:
    """Refuse colours of more than 8 bits that Pillow truncates to 8."""
    if isinstance(image, TiffImageFile):
        check_numbers(image.tag_v2, said)
        if is_deep_colour(image.tag_v2):
            raise PictureError(f"{said} has 16 bits a channel, cut to 8 by Pillow; give its path")
    if isinstance(image, PngImageFile) and image.mode != "I;16":
        layouts = [tile.args for tile in image.tile]
        if any(isinstance(layout, str) and layout.endswith(";16B") for layout in layouts):
            raise PictureError(
                f"{said} is a PNG of 16 bits a channel, which would be cut to 8;"
                " convert it to 8 bits, or to a 16-bit TIFF"
            )


def _check_size(size: tuple[int, int], largest: int, said: str) -> None:
    """Check height and width against `MIN_SIDE` and the limit."""
    height, width = size
    if min(size) < MIN_SIDE:
        raise SizeError(
            f"{said} has {width} x {height} pixels; both sides must have at least {MIN_SIDE}"
        )
    if height * width > largest:
        raise SizeError(
            f"{said} has {width} x {height} pixels, more than the limit of {largest};"
            " make it smaller or raise the limit"
        )
