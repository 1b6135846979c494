"""Rows of a decoded picture -> upright pixels and alpha; Pillow images of any mode -> rows."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vangram.errors import PictureError
from vangram.images.colour_space import RGBSpace
from vangram.images.encoded import Rows, Samples
from vangram.images.exif import as_stored
from vangram.images.icc import converter, is_srgb
from vangram.images.read_tiff import grey_samples
from vangram.storage.tensors import row_bands

GREY_MODES = {"1", "L", "LA", "La"}
COLOUR_MODES = {"P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr"}
DEEP_GREY_MODES = {"I;16", "I;16L", "I;16B", "I;16N"}


def assembled(
    rows: Rows, size: tuple[int, int], space: RGBSpace | None, orientation: int
) -> tuple[Tensor, Tensor | None]:
    """Pixels and alpha, upright and in sRGB, in bands so that nothing else of their size is needed.

    Args:
        rows: the decoded rows, as stored.
        size: (height, width) as stored.
        space: their colour space; None: sRGB.
        orientation: 1 to 8, as EXIF has it.

    Returns:
        (1, 3, H, W) and (1, 1, H, W), float32 in [0, 1]; None for an alpha of 1 everywhere.
    """
    turned = size[::-1] if orientation >= 5 else size
    pixels, alpha = np.empty((3, *turned), np.float32), None
    stored = as_stored(pixels, orientation)
    for at in row_bands(torch.empty(()).expand(3, *size)):
        colours, shown = rows(at)
        if space is not None and not space.is_srgb:
            colours = space.to_srgb(colours)
        stored[:, at] = colours if colours.ndim == 2 else np.moveaxis(colours, -1, 0)
        if shown is not None:
            alpha = np.empty((1, *turned), np.float32) if alpha is None else alpha
            as_stored(alpha, orientation)[0, at] = shown
    opaque = alpha is None or bool((alpha == 1).all())
    return torch.from_numpy(pixels)[None], None if opaque else torch.from_numpy(alpha)[None]


def rows_of(image: Image.Image, label: str, notes: list[str]) -> Rows:
    """Rows of a Pillow image, in sRGB where it has an ICC profile.

    Args:
        image: the image, loaded.
        label: its name in messages.
        notes: what is lost is added to them.

    Raises:
        PictureError: the mode has no faithful conversion to sRGB.
    """
    icc, mode = image.info.get("icc_profile"), image.mode
    if mode in DEEP_GREY_MODES:
        check_deep_profile(icc, label)
        # The transparent level of a PNG (tRNS) has 16 bits as well.
        hidden = image.info.get("transparency")

        def deep_rows(at: slice) -> tuple[Samples, Samples | None]:
            part = _band(image, at)
            alpha = None if hidden is None else (np.array(part) != hidden).astype(np.float32)
            return grey_samples(part, getattr(image, "tag_v2", {})), alpha

        return deep_rows
    modes = ("L", "LA") if mode in GREY_MODES else ("RGB", "RGBA")
    transparent = mode != "CMYK" and image.has_transparency_data
    if mode not in GREY_MODES | COLOUR_MODES | {"CMYK"}:
        raise PictureError(
            f"{label} has the pixel format {mode}, which cannot be read faithfully;"
            " convert it to 8-bit RGB"
        )
    to_srgb, note = converter(icc, "CMYK" if mode == "CMYK" else modes[0])
    if note:
        notes.append(note)

    def rows(at: slice) -> tuple[Samples, Samples | None]:
        flat, mask = _band(image, at), None
        if transparent:
            whole = flat.convert(modes[1])
            flat = whole.getchannel("L") if modes[0] == "L" else whole.convert("RGB")
            mask = _values(whole.getchannel("A"))
        elif mode != "CMYK":
            flat = flat.convert(modes[0])
        return _values(to_srgb(flat)), mask

    return rows


def check_deep_profile(icc: object, label: str) -> None:
    """Refuse a picture of more than 8 bits that is not in sRGB: Pillow's LittleCMS has 8 bits.

    Raises:
        PictureError: the profile is of another colour space.
    """
    if not is_srgb(icc):
        raise PictureError(
            f"{label} has 16 bits a channel in a colour space other than sRGB;"
            " convert it to sRGB, or to 8 bits"
        )


def _band(image: Image.Image, at: slice) -> Image.Image:
    return image.crop((0, at.start, image.width, at.stop))


def _values(image: Image.Image) -> Samples:
    """Levels over 255."""
    values: Samples = np.array(image).astype(np.float32)
    values /= 255
    return values
