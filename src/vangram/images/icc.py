"""ICC profiles: conversion to sRGB."""

from functools import cache
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


def to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Convert to sRGB.

    A profile that is damaged or of another number of channels is ignored: the picture is taken for
    sRGB, as viewers do.

    Args:
        image: of mode L, RGB or CMYK.
        icc: the profile's bytes; None: no profile.

    Returns:
        An image of mode RGB.
    """
    profile = _parsed(icc)
    if profile is not None:
        mode = MODE_OF_SPACE.get(profile.profile.xcolor_space.strip())
        # Grey pictures often carry an RGB profile: it applies to three equal channels.
        if image.mode == "L" and mode == "RGB":
            image = image.convert("RGB")
        if image.mode == mode and not _changes_nothing(profile, image.mode):
            try:
                return _converted(image, profile)
            except ImageCms.PyCMSError:
                pass
    return image.convert("RGB")


def is_srgb(icc: bytes | None) -> bool:
    """Whether no conversion is needed: no usable profile, or one of sRGB."""
    profile = _parsed(icc)
    mode = None if profile is None else MODE_OF_SPACE.get(profile.profile.xcolor_space.strip())
    return profile is None or mode is None or _changes_nothing(profile, mode)


def _parsed(icc: object) -> ImageCms.ImageCmsProfile | None:
    """Parse a profile; None if missing or damaged."""
    if not isinstance(icc, bytes) or not icc:
        return None
    try:
        return ImageCms.ImageCmsProfile(BytesIO(icc))
    except (OSError, ImageCms.PyCMSError):
        return None


def _converted(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    """Convert to sRGB with LittleCMS."""
    converted = ImageCms.profileToProfile(
        image,
        profile,
        ImageCms.ImageCmsProfile(BytesIO(srgb_profile())),
        renderingIntent=INTENT,
        outputMode="RGB",
        flags=FLAGS,
    )
    assert converted is not None  # only in-place conversion returns nothing
    return converted


def _changes_nothing(profile: ImageCms.ImageCmsProfile, mode: str) -> bool:
    """Whether a profile is sRGB up to rounding: no colour changes by more than one level.

    Dozens of sRGB profiles are in use that differ in their bytes alone. Converting between them
    would change some values by one level, so a round trip would not be exact.
    """
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
        converted = np.asarray(_converted(probe, profile), dtype=np.int16)
    except ImageCms.PyCMSError:
        return True
    return int(np.abs(converted - grid).max()) <= 1
