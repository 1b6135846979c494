"""TIFF: the page of the picture, and what Pillow truncates, misreads or cannot open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, TiffImagePlugin

from vangram.errors import PictureError
from vangram.images.encoded import Rows, Samples
from vangram.storage.files import reason

SUBFILE, OLD_SUBFILE = 254, 255
WIDTH, HEIGHT = 256, 257
BITS, PHOTOMETRIC, SAMPLES, PLANAR, SUB_IFDS, EXTRA, FORMAT = 258, 262, 277, 284, 330, 338, 339
DNG_VERSION = 50706
"""Tags (TIFF 6.0, section 8 and supplement 1; DNG 1.7)."""

REDUCED, MASK = 1, 4
"""Bits of SUBFILE: a smaller version of another page, a transparency mask."""
OLD_REDUCED = 2
"""Value of OLD_SUBFILE."""
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
SENSOR = {32803, 34892}
"""Values of PHOTOMETRIC; the last are a raw file's."""
SEPARATE = 2
"""Value of PLANAR: one plane per channel."""
ASSOCIATED, UNASSOCIATED = 1, 2
"""Values of EXTRA: alpha, multiplied into the colours or not."""
MAX_PAGES = 4096

Tags = Mapping[int, Any]


def pages(handle: BinaryIO) -> Iterator[Tags]:
    """Tags of a TIFF's pages, also where Pillow cannot open it."""
    handle.seek(0)
    header = handle.read(8)
    if header[2] == 43 or header[3] == 43:  # BigTIFF
        header += handle.read(8)
    directory = TiffImagePlugin.ImageFileDirectory_v2(header)
    offset, seen = directory.next, set[int]()
    while offset and offset not in seen and len(seen) < MAX_PAGES:
        seen.add(offset)
        directory = TiffImagePlugin.ImageFileDirectory_v2(header)
        handle.seek(offset)
        directory.load(handle)
        yield directory
        offset = directory.next


def choose_page(found: list[Tags], label: str) -> int:
    """Number of the first page that is a whole picture: no thumbnail and no mask.

    Raises:
        PictureError: there is none, or the file is a camera's raw one.
    """
    if any(DNG_VERSION in tags or _value(tags, PHOTOMETRIC, 0) in SENSOR for tags in found):
        raise raw_file(label)
    whole = [number for number, tags in enumerate(found) if not is_reduced(tags)]
    if not whole and any(SUB_IFDS in tags for tags in found):
        raise raw_file(label)
    if not found:
        raise PictureError(f"{label} is a TIFF without a page; save it again as PNG or JPEG")
    return whole[0] if whole else 0


def raw_file(label: str) -> PictureError:
    """The error for the raw file of a camera."""
    return PictureError(
        f"{label} is a camera's raw file, whose picture has to be developed; convert it to TIFF,"
        " PNG or JPEG"
    )


def size_of(tags: Tags) -> tuple[int, int]:
    """(height, width) as stored; 0 for a missing tag."""
    return _value(tags, HEIGHT, 0), _value(tags, WIDTH, 0)


def needs_tifffile(tags: Tags) -> bool:
    """Whether a page has channels of more than 8 bits, or an alpha behind other extra samples."""
    several = _value(tags, SAMPLES, 1) > 1
    return several and (max(_values(tags, BITS, 1)) > 8 or (_alpha(tags) or 0) > 0)


def check_numbers(tags: Tags, label: str) -> None:
    """Refuse floating-point, signed and 32-bit samples, whose white is not defined.

    Raises:
        PictureError: the page has such samples.
    """
    if max(_values(tags, BITS, 1)) > 16 or {2, 3} & set(_values(tags, FORMAT, 1)):
        raise PictureError(
            f"{label} stores floating-point, signed or 32-bit numbers, which have no agreed white;"
            " convert it to 8 or 16 bits"
        )


def grey_samples(image: Image.Image, tags: Tags) -> Samples:
    """Values of an image of mode I;16, exactly; `Image.convert` clips them.

    Returns:
        (H, W): stored values divided by the largest of their bit depth.
    """
    white = _white(tags)
    values = np.array(image).astype(np.float32)
    if _value(tags, PHOTOMETRIC, BLACK_IS_ZERO) == WHITE_IS_ZERO:
        values = white - values
    return values / white


def colour_rows(handle: BinaryIO, page: int, tags: Tags, label: str) -> Rows:
    """Decode a page that `needs_tifffile`.

    Raises:
        PictureError: tifffile is not installed or fails, or the channels are not RGB or grey.
    """
    photometric, bits = _value(tags, PHOTOMETRIC, BLACK_IS_ZERO), max(_values(tags, BITS, 16))
    if photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB):
        raise PictureError(f"{label} has {bits} bits a channel but is no RGB; convert it to RGB")
    try:
        tifffile = import_module("tifffile")
    except ImportError:
        raise PictureError(
            f"{label} has {bits} bits a channel, and {_value(tags, SAMPLES, 1)} of them;"
            " pip install 'vangram[tiff]' to read it, or convert it to RGB of 8 bits"
        ) from None
    try:
        handle.seek(0)
        with tifffile.TiffFile(handle) as file:
            stored = file.pages[page].asarray()
    except Exception as error:  # tifffile and its codecs raise nearly anything at damaged files
        raise PictureError(
            f"{label} has {bits} bits a channel and cannot be decoded ({reason(error)});"
            " save it without compression, or convert it to 8 bits"
        ) from None
    if _value(tags, PLANAR, 1) == SEPARATE:
        stored = np.moveaxis(stored, 0, -1)
    count = 3 if photometric == RGB else 1
    if stored.ndim != 3 or stored.shape[-1] < count or stored.shape[:2] != size_of(tags):
        raise PictureError(f"{label} has channels that fit no picture; convert it to RGB")
    white, alpha = _white(tags), _alpha(tags)
    meaning = None if alpha is None else _values(tags, EXTRA, 0)[alpha]

    def rows(at: slice) -> tuple[Samples, Samples | None]:
        values: Samples = stored[at].astype(np.float32) / white
        colours = values[..., :count] if count == 3 else values[..., 0]
        if photometric == WHITE_IS_ZERO:
            colours = 1 - colours
        if alpha is None or count + alpha >= values.shape[-1]:
            return colours, None
        mask = values[..., count + alpha]
        if meaning == ASSOCIATED:
            shown = mask if count == 1 else mask[..., None]
            straight = np.minimum(colours / np.where(shown > 0, shown, 1), 1)
            colours = np.where(shown > 0, straight, 0)
        return colours, mask

    return rows


def is_reduced(tags: Tags) -> bool:
    """Whether a page is a thumbnail or a mask of another page."""
    kind = _value(tags, SUBFILE, 0)
    return bool(kind & (REDUCED | MASK)) or _value(tags, OLD_SUBFILE, 0) == OLD_REDUCED


def _alpha(tags: Tags) -> int | None:
    """Index of the alpha among the extra samples."""
    meanings = _values(tags, EXTRA, 0)
    return next((n for n, each in enumerate(meanings) if each in (ASSOCIATED, UNASSOCIATED)), None)


def _white(tags: Tags) -> float:
    """Largest value of a channel's bit depth; 16 bits by default."""
    return float((1 << max(_values(tags, BITS, 16))) - 1)


def _values(tags: Tags, tag: int, default: int) -> tuple[int, ...]:
    """A tag's integer values; the default if missing or damaged."""
    value = tags.get(tag, default)
    values = value if isinstance(value, tuple) else (value,)
    return tuple(each for each in values if isinstance(each, int)) or (default,)


def _value(tags: Tags, tag: int, default: int) -> int:
    """A tag's first value."""
    return _values(tags, tag, default)[0]
