"""TIFFs and greys of more than 8 bits a channel, which Pillow truncates or misreads."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin

from vangram.errors import PictureError
from vangram.storage.files import reason

WIDTH, HEIGHT = 256, 257
BITS, PHOTOMETRIC, SAMPLES, PLANAR, EXTRA, FORMAT = 258, 262, 277, 284, 338, 339
"""Tags of a TIFF (TIFF 6.0, section 8)."""

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
"""Values of PHOTOMETRIC."""

SEPARATE = 2
"""Value of PLANAR: one plane per channel."""

ASSOCIATED = 1
"""Value of EXTRA: premultiplied alpha."""

Samples = npt.NDArray[np.float32]
"""Values in [0, 1]: (H, W) of one channel or (H, W, channels)."""


def tiff_tags(handle: BinaryIO) -> Mapping[int, Any]:
    """Tags of a TIFF's first page, also where Pillow cannot open the TIFF."""
    handle.seek(0)
    header = handle.read(8)
    if header[2] == 43 or header[3] == 43:  # BigTIFF
        header += handle.read(8)
    directory = TiffImagePlugin.ImageFileDirectory_v2(header)
    handle.seek(directory.next)
    directory.load(handle)
    return directory


def size_of(tags: Mapping[int, Any]) -> tuple[int, int]:
    """(height, width) as stored; 0 for a missing tag."""
    return _value(tags, HEIGHT, 0), _value(tags, WIDTH, 0)


def is_deep_colour(tags: Mapping[int, Any]) -> bool:
    """Whether a TIFF has several channels of more than 8 bits."""
    return max(_values(tags, BITS, 1)) > 8 and _value(tags, SAMPLES, 1) > 1


def check_numbers(tags: Mapping[int, Any], name: str) -> None:
    """Refuse floating-point, signed and 32-bit samples, whose white is not defined.

    Raises:
        PictureError: the TIFF has such samples.
    """
    if max(_values(tags, BITS, 1)) > 16 or {2, 3} & set(_values(tags, FORMAT, 1)):
        raise PictureError(
            f"{name} stores floating-point, signed or 32-bit numbers, which have no agreed white;"
            " convert it to 8 or 16 bits"
        )


def grey_samples(image: Image.Image) -> Samples:
    """Values of an image of mode I;16, exactly; `Image.convert` clips them.

    Returns:
        (H, W): stored values divided by the largest of their bit depth.
    """
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    white = _white(tags)
    values = np.array(image).astype(np.float32)
    if _value(tags, PHOTOMETRIC, BLACK_IS_ZERO) == WHITE_IS_ZERO:
        values = white - values
    return values / white


def colour_samples(
    handle: BinaryIO, tags: Mapping[int, Any], name: str
) -> tuple[Samples, Samples | None]:
    """Read a TIFF of several channels of 9 to 16 bits with tifffile.

    Returns:
        (H, W) grey or (H, W, 3) colours, and (H, W) alpha or None.

    Raises:
        PictureError: tifffile is not installed or fails, or the channels are not RGB or grey.
    """
    photometric = _value(tags, PHOTOMETRIC, BLACK_IS_ZERO)
    if photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB):
        raise PictureError(f"{name} has 16 bits a channel but is no RGB; convert it to RGB")
    try:
        tifffile = import_module("tifffile")
    except ImportError:
        raise PictureError(
            f"{name} has 16 bits a channel; pip install 'vangram[tiff]' to read it,"
            " or convert it to 8 bits"
        ) from None
    try:
        handle.seek(0)
        with tifffile.TiffFile(handle) as file:
            stored = file.pages[0].asarray()
    except Exception as error:  # tifffile and its codecs raise nearly anything at damaged files
        raise PictureError(
            f"{name} has 16 bits a channel and cannot be decoded ({reason(error)});"
            " save it without compression, or convert it to 8 bits"
        ) from None
    if _value(tags, PLANAR, 1) == SEPARATE:
        stored = np.moveaxis(stored, 0, -1)
    white = _white(tags)
    values = stored.astype(np.float32) / white
    count = 3 if photometric == RGB else 1
    if values.ndim != 3 or values.shape[-1] < count:
        raise PictureError(f"{name} has channels that fit no picture; convert it to RGB")
    colours = values[..., :count] if count == 3 else values[..., 0]
    if photometric == WHITE_IS_ZERO:
        colours = 1 - colours
    return _straight(colours, values[..., count:], _values(tags, EXTRA, 2)[0])


def _straight(colours: Samples, others: Samples, meaning: int) -> tuple[Samples, Samples | None]:
    """Straight colours and alpha of the extra samples, the first of which has a meaning."""
    if others.shape[-1] == 0 or meaning == 0:
        return colours, None
    alpha = others[..., 0]
    if meaning == ASSOCIATED:
        shown = alpha if colours.ndim == 2 else alpha[..., None]
        colours = np.where(shown > 0, np.minimum(colours / np.where(shown > 0, shown, 1), 1), 0)
    return colours, alpha


def _white(tags: Mapping[int, Any]) -> float:
    """Largest value of a channel's bit depth; 16 bits by default."""
    return float((1 << max(_values(tags, BITS, 16))) - 1)


def _values(tags: Mapping[int, Any], tag: int, default: int) -> tuple[int, ...]:
    """A tag's integer values; the default if missing or damaged."""
    value = tags.get(tag, default)
    values = value if isinstance(value, tuple) else (value,)
    return tuple(each for each in values if isinstance(each, int)) or (default,)


def _value(tags: Mapping[int, Any], tag: int, default: int) -> int:
    """A tag's first value."""
    return _values(tags, tag, default)[0]
