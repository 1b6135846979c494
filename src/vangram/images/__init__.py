"""Pictures: file -> (1, 3, H, W) float32 sRGB in [0, 1], and back; sizes.

The only place that knows Pillow and its (width, height).
"""

from vangram.images.files import file_sha256
from vangram.images.picture import MAX_PIXELS, Picture
from vangram.images.read import read_picture, read_recipe
from vangram.images.sheet import write_sheet
from vangram.images.sizes import fit, resize
from vangram.images.write import check_output, write_animation, write_picture

__all__ = [
    "MAX_PIXELS",
    "Picture",
    "check_output",
    "file_sha256",
    "fit",
    "read_picture",
    "read_recipe",
    "resize",
    "write_animation",
    "write_picture",
    "write_sheet",
]
