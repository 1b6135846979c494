"""Animations: their frames as they are shown, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vangram.errors import PictureError
from vangram.images import read_gif, read_png, read_tiff
from vangram.images.colour_space import RGBSpace
from vangram.images.decode import assembled
from vangram.images.encoded import Encoded, Samples
from vangram.images.formats import opened_by_pillow
from vangram.images.picture import check_size
from vangram.images.still import data_of, of_image, of_png, of_tiff, still
from vangram.storage.tensors import row_bands

UPRIGHT = 1


class Frame(NamedTuple):
    """A frame as it is shown."""

    pixels: Tensor
    """(1, 3, H, W)."""
    alpha: Tensor | None
    """(1, 1, H, W); None: opaque."""
    seconds: Fraction | None = None
    """Duration; None: a page, or a still picture."""
    notes: tuple[str, ...] = ()
    """As `Picture.notes`, without the file's name."""


@dataclass
class Patch:
    """A frame as it is stored: a rectangle to draw on a canvas."""

    left: int
    top: int
    encoded: Encoded
    seconds: Fraction
    """Duration."""
    clears: bool = False
    """Whether its place is cleared after it was shown."""
    restores: bool = False
    """Whether the canvas before it is restored after it was shown."""
    blends: bool = True
    """Whether it is drawn over what is there, or replaces it."""


def frames_in(
    handle: BinaryIO, format: str, label: str, largest: int
) -> tuple[int, Iterator[Frame]]:
    """Frames of an animated GIF, PNG, WebP or AVIF, or the pages of a TIFF; one of other files.

    Returns:
        How many there are, and the frames, each decoded as it is asked for.

    Raises:
        PictureError: the file is damaged.
        SizeError: it has too many pixels, or too few.
    """
    if format == "GIF":
        size, patches = read_gif.frames_of(data_of(handle), label)
        drawn = (_of_gif(each, label) for each in patches)
        return len(patches), composed(drawn, size, label, largest)
    if format == "PNG":
        found = read_png.parse(data_of(handle), label)
        if found.damaged_frames:
            raise PictureError(f"{label} is damaged (a frame's checksum is wrong); save it again")
        if found.frames:
            size = found.header.height, found.header.width
            drawn = (_of_apng(found, n, label, largest) for n in range(len(found.frames)))
            return len(found.frames), composed(drawn, size, label, largest)
    if format == "TIFF":
        pages = list(read_tiff.pages(handle))
        read_tiff.choose_page(pages, label)
        whole = [number for number, tags in enumerate(pages) if not read_tiff.is_reduced(tags)]
        return len(whole), (_decoded(of_tiff(handle, pages, n, label, largest)) for n in whole)
    first = still(handle, format, label, largest)
    if format not in ("WEBP", "AVIF"):
        return 1, (_decoded(each) for each in [first])
    image = opened_by_pillow(handle, format, label)

    def frames() -> Iterator[Frame]:
        for number in range(count):
            image.seek(number)
            shown = _decoded(of_image(image, label, first.space))
            milliseconds = round(image.info.get("duration", 0))  # known once it is decoded
            notes = tuple(dict.fromkeys((*first.notes, *shown.notes)))
            yield shown._replace(seconds=Fraction(milliseconds, 1000), notes=notes)

    count: int = getattr(image, "n_frames", 1)
    return count, frames()


def _decoded(encoded: Encoded) -> Frame:
    rows = encoded.decode()
    pixels, alpha = assembled(rows, encoded.size, encoded.space, UPRIGHT)
    return Frame(pixels, alpha, notes=tuple(encoded.notes))


def composed(
    patches: Iterator[Patch], size: tuple[int, int], label: str, largest: int
) -> Iterator[Frame]:
    """Draw frames on a transparent canvas, as browsers do.

    Args:
        patches: the frames; parts outside the canvas are not seen.
        size: (height, width) of the canvas.
        label: the file's name in messages.
        largest: most pixels of the canvas, and of a frame.
    """
    check_size(size, largest // 2, label)
    canvas = np.zeros((4, *size), np.float32)
    for patch in patches:
        height, width = patch.encoded.size
        check_size((height, width), largest // 2, label, least=1)
        rows = patch.encoded.decode()
        place = (
            slice(None),
            slice(patch.top, patch.top + height),
            slice(patch.left, patch.left + width),
        )
        under = canvas[place]
        before = under.copy() if patch.restores else None
        for at in row_bands(torch.from_numpy(under)):
            over = _patch(rows(at), patch.encoded.space)[:, :, : under.shape[2]]
            under[:, at] = _over(over, under[:, at]) if patch.blends else over
        opaque = bool((canvas[3] == 1).all())
        pixels, alpha = (torch.from_numpy(each.copy())[None] for each in (canvas[:3], canvas[3:]))
        notes = tuple(patch.encoded.notes)
        yield Frame(pixels, None if opaque else alpha, patch.seconds, notes)
        if patch.clears:
            under[:] = 0
        elif before is not None:
            under[:] = before


def _patch(rows: tuple[Samples, Samples | None], space: RGBSpace | None) -> Samples:
    """Colours in sRGB and alpha, (4, h, w)."""
    colours, alpha = rows
    if space is not None and not space.is_srgb:
        colours = space.to_srgb(colours)
    if colours.ndim == 2:
        colours = np.repeat(colours[..., None], 3, axis=-1)
    shown = np.ones_like(colours[..., 0]) if alpha is None else alpha
    return np.concatenate((np.moveaxis(colours, -1, 0), shown[None]))


def _over(over: Samples, under: Samples) -> Samples:
    """Straight colours and alpha (4, h, w) drawn over others (Porter and Duff 1984)."""
    rest = under[3:] * (1 - over[3:])
    alpha = over[3:] + rest
    mixed = over[:3] * over[3:] + under[:3] * rest
    colours = np.divide(mixed, alpha, out=np.zeros_like(mixed), where=alpha > 0)
    return np.concatenate((colours, alpha))


def _of_gif(frame: read_gif.Frame, label: str) -> Patch:
    encoded = of_image(frame.image(), label)
    after = frame.disposal
    return Patch(
        frame.left, frame.top, encoded, frame.seconds, clears=after == 2, restores=after == 3
    )


def _of_apng(found: read_png.Png, number: int, label: str, largest: int) -> Patch:
    frame = found.frames[number]
    after = 1 if number == 0 and frame.disposal == 2 else frame.disposal  # nothing was there before
    return Patch(
        frame.left,
        frame.top,
        of_png(found, label, largest, frame),
        frame.seconds,
        clears=after == 1,
        restores=after == 2,
        blends=frame.blends,
    )
