"""Picture files <-> (1, 3, H, W) float32 sRGB in [0, 1]; masks, resizing, colour transfer.

The only package that knows Pillow and its (width, height).
"""

from vangram.images.colour_match import (
    ColourMap,
    ColourStatistics,
    luminance_map,
    luminance_matching_map,
    matching_map,
    with_chroma,
)
from vangram.images.contact_sheet import write_sheet
from vangram.images.exif import public_exif
from vangram.images.formats import READ_SUFFIXES, is_raw
from vangram.images.hidden import Box, cropped, visible_box, without_hidden
from vangram.images.histogram import Histogram, match_histogram
from vangram.images.masks import Regions, keep_mask, regions
from vangram.images.open import file_sha256
from vangram.images.picture import MAX_PIXELS, Picture, largest_within
from vangram.images.read import Source, read_frames, read_picture, read_recipe
from vangram.images.resizing import fit, resize
from vangram.images.write import (
    ANIMATIONS,
    PillowImage,
    check_output,
    check_place,
    deep_png,
    to_image,
    write_animation,
    write_picture,
)

__all__ = [
    "ANIMATIONS",
    "MAX_PIXELS",
    "READ_SUFFIXES",
    "Box",
    "ColourMap",
    "ColourStatistics",
    "Histogram",
    "Picture",
    "PillowImage",
    "Regions",
    "Source",
    "check_output",
    "check_place",
    "cropped",
    "deep_png",
    "file_sha256",
    "fit",
    "is_raw",
    "keep_mask",
    "largest_within",
    "luminance_map",
    "luminance_matching_map",
    "match_histogram",
    "matching_map",
    "public_exif",
    "read_frames",
    "read_picture",
    "read_recipe",
    "regions",
    "resize",
    "to_image",
    "visible_box",
    "with_chroma",
    "without_hidden",
    "write_animation",
    "write_picture",
    "write_sheet",
]
