"""EXIF: which way up a picture is, and what of its metadata still holds for a repainting."""

from typing import Any, BinaryIO

from PIL import ExifTags, Image
from torch import Tensor

MAX_EXIF = 60_000
"""Bytes of EXIF passed on; more would not fit a JPEG's segment of 64 KiB."""

KEPT_TAGS = {
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.XResolution,
    ExifTags.Base.YResolution,
    ExifTags.Base.ResolutionUnit,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
}
"""Tags kept. A TIFF's own are among the rest: how it is stored, its profile, its thumbnail."""

DROPPED_TAGS = {
    ExifTags.Base.ColorSpace,  # sRGB from here on
    ExifTags.Base.ExifImageWidth,
    ExifTags.Base.ExifImageHeight,
    ExifTags.Base.ExifInteroperabilityOffset,
    ExifTags.Base.MakerNote,  # full of offsets that break when it moves
}
"""Tags dropped from the photographic part: true of the old file only."""

SRGB = 1


def exif_of(image: Image.Image) -> Image.Exif:
    """Give an image's EXIF, empty where there is none or it is damaged."""
    try:
        return image.getexif()
    except Exception:  # damaged EXIF makes Pillow raise nearly anything
        return Image.Exif()


def exif_of_tiff(handle: BinaryIO) -> Image.Exif:
    """Give the EXIF of a TIFF that Pillow does not decode, empty where it is damaged."""
    exif = Image.Exif()
    try:
        handle.seek(0)
        exif.load_from_fp(handle)
    except Exception:  # damaged EXIF makes Pillow raise nearly anything
        return Image.Exif()
    return exif


def orientation_of(exif: Image.Exif) -> int:
    """Give the orientation, 1 to 8; 1 where it is missing or nonsense."""
    value = exif.get(ExifTags.Base.Orientation)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright(pixels: Tensor, orientation: int) -> Tensor:
    """Turn and mirror pixels the right way up (EXIF 2.32, 4.6.4, tag 274).

    Args:
        pixels: (..., H, W) as stored.
        orientation: 1 to 8.

    Returns:
        (..., H, W), or (..., W, H) for an orientation of 5 or more; contiguous.
    """
    if orientation >= 5:
        pixels = pixels.transpose(-2, -1)
    reversed_sides = {2: [-1], 3: [-2, -1], 4: [-2], 6: [-1], 7: [-2, -1], 8: [-2]}.get(orientation)
    return (pixels.flip(reversed_sides) if reversed_sides else pixels).contiguous()


def kept_exif(given: Image.Exif) -> bytes | None:
    """Give the EXIF worth passing on, None where there is nothing; the picture is now upright."""
    try:
        kept = Image.Exif()
        for tag in KEPT_TAGS & set(given):
            kept[tag] = given[tag]
        photographic: dict[int, Any] = {
            tag: value
            for tag, value in given.get_ifd(ExifTags.IFD.Exif).items()
            if tag not in DROPPED_TAGS
        }
        if photographic:
            kept[ExifTags.IFD.Exif] = {**photographic, int(ExifTags.Base.ColorSpace): SRGB}
        if place := dict(given.get_ifd(ExifTags.IFD.GPSInfo)):
            kept[ExifTags.IFD.GPSInfo] = place
        if not len(kept):
            return None
        kept[ExifTags.Base.Orientation] = 1
        data = kept.tobytes()
    except Exception:  # damaged EXIF makes Pillow raise nearly anything; the picture is still good
        return None
    return data if len(data) <= MAX_EXIF else None
