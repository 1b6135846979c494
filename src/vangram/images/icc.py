"""ICC profiles: conversion to sRGB."""

from collections.abc import Callable
from contextlib import suppress
from functools import cache, lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION

MODE_OF_SPACE = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}
"""Colour space of a profile's header -> Pillow's mode."""


@cache
def srgb_profile() -> bytes:
    """An sRGB profile to embed, with reproducible bytes."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes(12)  # date (ICC.1, 7.2.8)
    profile[84:100] = bytes(16)  # profile ID, zero for "not calculated" (7.2.18)
    return bytes(profile)


Converter = Callable[[Image.Image], Image.Image]
"""Converts an image of one mode to sRGB, mode RGB."""


def converter(icc: object, mode: str) -> tuple[Converter, str | None]:
    """The conversion to sRGB of images of a mode, and a note where a profile is ignored.

    A profile that is damaged or of another number of channels is ignored: the picture is taken for
    sRGB, as viewers do.

    Args:
        icc: the profile's bytes; None: no profile.
        mode: L, RGB or CMYK.
    """
    if not icc:
        return _plain, None
    profile, of = _parsed(icc)
    # Grey pictures often carry an RGB profile: it applies to three equal channels.
    through = "RGB" if mode == "L" and of == "RGB" else mode
    if profile is not None and of == through:
        with suppress(ImageCms.PyCMSError):
            if is_srgb(icc):
                return _plain, None
            transform = _transform(profile, through)
            return (lambda image: _applied(transform, image.convert(through))), None
    return _plain, "its colour profile cannot be used, its colours are taken for sRGB"


def is_srgb(icc: object) -> bool:
    """Whether no conversion is needed: no usable profile, or one of sRGB.

    That is one whose conversion changes no colour by more than one level: dozens of sRGB profiles
    are in use that differ in their bytes alone, and a round trip should be exact.
    """
    return not isinstance(icc, bytes) or _is_srgb(icc)


@lru_cache(maxsize=8)  # frames of a film have one profile
def _is_srgb(icc: bytes) -> bool:
    profile, mode = _parsed(icc)
    if profile is None or mode is None:
        return True
    if mode == "CMYK":
        return False
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    if mode == "L":
        grid = np.repeat(levels[None, :, None], 3, axis=2)  # (1, 18, 3)
        probe = Image.fromarray(levels[None, :])
    else:
        grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(18, -1, 3)
        probe = Image.fromarray(grid)
    try:
        converted = np.asarray(_applied(_transform(profile, mode), probe), dtype=np.int16)
    except ImageCms.PyCMSError:
        return True
    return int(np.abs(converted - grid).max()) <= 1


def _plain(image: Image.Image) -> Image.Image:
    return image.convert("RGB")


def _parsed(icc: object) -> tuple[ImageCms.ImageCmsProfile | None, str | None]:
    """A profile and Pillow's mode of its colour space; None where it cannot be used."""
    if not isinstance(icc, bytes) or not icc:
        return None, None
    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(icc))
        return profile, MODE_OF_SPACE.get(profile.profile.xcolor_space.strip())
    except (OSError, ValueError, ImageCms.PyCMSError):  # ValueError: a name that is not ASCII
        return None, None


def _transform(profile: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    srgb = ImageCms.ImageCmsProfile(BytesIO(srgb_profile()))
    return ImageCms.buildTransform(profile, srgb, mode, "RGB", INTENT, FLAGS)


def _applied(transform: ImageCms.ImageCmsTransform, image: Image.Image) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # only in-place conversion returns nothing
    return converted
