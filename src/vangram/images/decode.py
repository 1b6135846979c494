"""Pillow image of any mode -> pixels and alpha."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vangram.errors import PictureError
from vangram.images.icc import is_srgb, to_srgb
from vangram.images.tiff16 import Samples, grey_samples

GREY_MODES = {"1", "L", "LA", "La"}
COLOUR_MODES = {"P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr"}
DEEP_GREY_MODES = {"I;16", "I;16L", "I;16B", "I;16N"}


def decoded(image: Image.Image, name: str) -> tuple[Tensor, Tensor | None]:
    """Decode to sRGB and alpha, in the stored orientation.

    Args:
        image: the image, loaded.
        name: its name in messages.

    Returns:
        (1, 3, H, W) and (1, 1, H, W), float32 in [0, 1]; None for an alpha of 1 everywhere.

    Raises:
        PictureError: the mode has no faithful conversion to sRGB.
    """
    icc = image.info.get("icc_profile")
    if image.mode in DEEP_GREY_MODES:
        check_deep_profile(icc, name)
        grey = grey_samples(image)
        # The transparent level of a PNG (tRNS) has 16 bits as well.
        hidden = image.info.get("transparency")
        alpha = None if hidden is None else (np.array(image) != hidden).astype(np.float32)
        return tensors(grey, alpha)
    if image.mode in GREY_MODES:
        flat, mask = _separated(image, "L", "LA")
    elif image.mode in COLOUR_MODES:
        flat, mask = _separated(image, "RGB", "RGBA")
    elif image.mode == "CMYK":
        flat, mask = image, None
    else:
        raise PictureError(
            f"{name} has the pixel format {image.mode}, which cannot be read faithfully;"
            " convert it to 8-bit RGB"
        )
    return (
        _tensor(np.array(to_srgb(flat, icc))).div_(255),
        None if mask is None else _opaque_as_none(_tensor(np.array(mask)).div_(255)),
    )


def tensors(colours: Samples, alpha: Samples | None) -> tuple[Tensor, Tensor | None]:
    """(H, W) or (H, W, 3) values and (H, W) alpha -> tensors as `decoded` returns."""
    pixels = _tensor(colours)
    return (
        pixels.expand(1, 3, -1, -1).contiguous(),
        None if alpha is None else _opaque_as_none(_tensor(alpha)),
    )


def check_deep_profile(icc: bytes | None, name: str) -> None:
    """Refuse a picture of more than 8 bits that is not in sRGB: Pillow's LittleCMS has 8 bits.

    Raises:
        PictureError: the profile is of another colour space.
    """
    if not is_srgb(icc):
        raise PictureError(
            f"{name} has 16 bits a channel in a colour space other than sRGB;"
            " convert it to sRGB, or to 8 bits"
        )


def _separated(
    image: Image.Image, opaque: str, transparent: str
) -> tuple[Image.Image, Image.Image | None]:
    """Separate colours and alpha, without changing the values of either."""
    if not image.has_transparency_data:
        return image.convert(opaque), None
    whole = image.convert(transparent)
    return (
        whole.getchannel("L") if opaque == "L" else whole.convert("RGB"),
        whole.getchannel("A"),
    )


def _tensor(values: np.ndarray[Any, Any]) -> Tensor:
    """(H, W) or (H, W, C) values -> (1, C, H, W) float32."""
    planes = values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0)
    return torch.from_numpy(planes[None]).to(torch.float32, memory_format=torch.contiguous_format)


def _opaque_as_none(alpha: Tensor) -> Tensor | None:
    """None for an alpha of 1 everywhere."""
    return None if bool((alpha == 1).all()) else alpha
