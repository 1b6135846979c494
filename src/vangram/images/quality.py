"""Quality of the files written, and the other options of their encoders."""

from __future__ import annotations

from typing import Any

from PIL import Image, PngImagePlugin

from vangram.images.icc import srgb_profile

QUALITY = 95
"""Quality of JPEG and WebP, 1 to 100; JPEG without chroma subsampling."""
ANIMATION_QUALITY = 90
"""Quality of an animated WebP."""
PREVIEW_QUALITY, THUMBNAIL_QUALITY = 90, 85
"""Quality of the studio's pictures on the way, and of small ones."""

XMP_TAG = 700
"""TIFF tag of an XMP packet."""


def encoder_options(
    format: str, exif: bytes | None, packet: bytes | None, quality: int
) -> dict[str, Any]:
    """Options of `Image.save`.

    Args:
        format: Pillow's name.
        exif: EXIF to embed; None: none.
        packet: XMP packet to embed; None: none.
        quality: of JPEG and WebP, 1 to 100; other formats have none.
    """
    options: dict[str, Any] = {"icc_profile": srgb_profile()}
    if exif is not None:
        options["exif"] = exif
    if format == "TIFF":
        # Uncompressed: libtiff, which Pillow compresses with, cannot write the Exif and GPS
        # directories.
        if packet is not None:  # a tag beside EXIF's, as `tiffinfo` would replace EXIF
            options["exif"] = Image.Exif()
            options["exif"].load(exif or b"")
            options["exif"][XMP_TAG] = packet
        return options
    if format == "PNG":
        if packet is not None:
            options["pnginfo"] = PngImagePlugin.PngInfo()
            options["pnginfo"].add_itxt("XML:com.adobe.xmp", packet.decode())
        return options
    options["quality"] = quality
    if packet is not None:
        options["xmp"] = packet
    if format == "JPEG":
        options["subsampling"] = 0  # 4:4:4
    elif format == "WEBP":
        options["method"] = 4
        options["exact"] = True  # keep colours under alpha 0
    return options
