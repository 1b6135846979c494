"""EXIF: orientation, and the metadata that a result keeps."""

from typing import Any, BinaryIO

from PIL import ExifTags, Image

from vangram.images.encoded import Samples

MAX_EXIF = 60_000
"""Most bytes of EXIF that a result carries: a JPEG segment has 64 KiB."""

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
"""Tags of the main directory that a result keeps; a TIFF's storage tags are among the others."""

DROPPED_TAGS = {
    ExifTags.Base.ColorSpace,  # set to sRGB
    ExifTags.Base.ExifImageWidth,
    ExifTags.Base.ExifImageHeight,
    ExifTags.Base.ExifInteroperabilityOffset,
    ExifTags.Base.MakerNote,  # its offsets break when it moves
}
"""Tags of the Exif directory that only describe the original file."""

PUBLIC_TAGS = {
    *KEPT_TAGS - {ExifTags.Base.ImageDescription},
    ExifTags.Base.Orientation,
    ExifTags.Base.ExifVersion,
    ExifTags.Base.DateTimeOriginal,
    ExifTags.Base.DateTimeDigitized,
    ExifTags.Base.OffsetTime,
    ExifTags.Base.OffsetTimeOriginal,
    ExifTags.Base.OffsetTimeDigitized,
    ExifTags.Base.ExposureTime,
    ExifTags.Base.FNumber,
    ExifTags.Base.ExposureProgram,
    ExifTags.Base.ISOSpeedRatings,
    ExifTags.Base.SensitivityType,
    ExifTags.Base.ShutterSpeedValue,
    ExifTags.Base.ApertureValue,
    ExifTags.Base.BrightnessValue,
    ExifTags.Base.ExposureBiasValue,
    ExifTags.Base.MaxApertureValue,
    ExifTags.Base.MeteringMode,
    ExifTags.Base.LightSource,
    ExifTags.Base.Flash,
    ExifTags.Base.FocalLength,
    ExifTags.Base.FocalLengthIn35mmFilm,
    ExifTags.Base.ColorSpace,
    ExifTags.Base.ExposureMode,
    ExifTags.Base.WhiteBalance,
    ExifTags.Base.DigitalZoomRatio,
    ExifTags.Base.SceneCaptureType,
    ExifTags.Base.LensSpecification,
    ExifTags.Base.LensMake,
    ExifTags.Base.LensModel,
}
"""Tags that a result carries unless more is asked for: not places, serial numbers, owners, comments
and whatever else there may be."""

SRGB = 1
"""Value of ColorSpace."""


def exif_of(image: Image.Image) -> Image.Exif:
    """EXIF of an image; empty if missing or damaged."""
    try:
        return image.getexif()
    except Exception:  # damaged EXIF makes Pillow raise nearly anything
        return Image.Exif()


def exif_of_tiff(handle: BinaryIO) -> Image.Exif:
    """EXIF of a TIFF that Pillow cannot open; empty if damaged."""
    exif = Image.Exif()
    try:
        handle.seek(0)
        exif.load_from_fp(handle)
    except Exception:  # damaged EXIF makes Pillow raise nearly anything
        return Image.Exif()
    return exif


def orientation_of(exif: Image.Exif) -> int:
    """Orientation, 1 to 8; 1 if missing or invalid."""
    value = exif.get(ExifTags.Base.Orientation)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def as_stored(upright: Samples, orientation: int) -> Samples:
    """A view of upright pixels (..., H, W) as a file stores them (EXIF 2.32, 4.6.4, tag 274).

    Args:
        upright: what is shown.
        orientation: 1 to 8; from 5 on, rows and columns are exchanged.
    """
    if orientation in (2, 3, 6, 7):
        upright = upright[..., ::-1]
    if orientation in (3, 4, 7, 8):
        upright = upright[..., ::-1, :]
    return upright.swapaxes(-2, -1) if orientation >= 5 else upright


def kept_exif(given: Image.Exif) -> bytes | None:
    """EXIF for a result, with orientation 1; None if nothing is kept."""
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
    except Exception:  # damaged EXIF makes Pillow raise nearly anything
        return None
    return data if len(data) <= MAX_EXIF else None


def public_exif(exif: bytes | None) -> bytes | None:
    """EXIF without place, serial numbers, owner and comments.

    Args:
        exif: as `kept_exif` gives it.
    """
    given = Image.Exif()
    given.load(exif or b"")
    public = Image.Exif()
    for tag in PUBLIC_TAGS & set(given):
        public[tag] = given[tag]
    inner = given.get_ifd(ExifTags.IFD.Exif)
    if shown := {tag: value for tag, value in inner.items() if tag in PUBLIC_TAGS}:
        public[ExifTags.IFD.Exif] = shown
    nothing = set(public) <= {ExifTags.Base.Orientation} and not shown
    return None if nothing else public.tobytes()
