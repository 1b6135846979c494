"""The visible part of the inputs: transparent pixels do not count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vangram.images import Box, Picture, cropped, visible_box, without_hidden
from vangram.objective import Region
from vangram.settings.inputs import Inputs
from vangram.storage.files import quoted


def visible_inputs(
    pictures: Inputs[Picture], regions: Sequence[Region]
) -> tuple[Inputs[Picture], tuple[Region, ...], list[str]]:
    """The inputs without hidden colours, the paintings and their regions without hidden margins.

    A painting with transparent margins has the style of the painting that is cropped to its visible
    part. The photograph keeps its size, which the result has.

    Raises:
        PictureError: all of a picture is transparent.
    """
    notes, styles = [], []
    for number, style in enumerate(pictures.styles):
        if style.alpha is None:
            styles.append(style)
            continue
        notes.append(f"{quoted(style.name)} is partly transparent: its visible part has the style")
        filled = without_hidden(style)
        box = visible_box(style.alpha)
        regions = [_cropped(region, number, style.size, box) for region in regions]
        styles.append(cropped(filled, box))
    content = pictures.content
    if content is not None and content.alpha is not None:
        notes.append(
            f"{quoted(content.name)} is partly transparent: what is hidden does not count and stays"
            " transparent"
        )
    pictures = replace(
        pictures,
        styles=tuple(styles),
        content=_filled(content),
        start=_filled(pictures.start),
        before=_filled(pictures.before),
        before_frame=_filled(pictures.before_frame),
    )
    return pictures, tuple(regions), notes


def _filled(picture: Picture | None) -> Picture | None:
    return None if picture is None else without_hidden(picture)


def _cropped(region: Region, number: int, size: tuple[int, int], box: Box) -> Region:
    """A region whose part of one painting is cropped to a box of the painting's `size`."""
    part = region.parts[number]
    if part is None:
        return region
    rows, columns = (
        slice(each.start * mine // whole, -(-each.stop * mine // whole))
        for each, mine, whole in zip(box, part.shape[-2:], size, strict=True)
    )
    parts = (*region.parts[:number], part[..., rows, columns], *region.parts[number + 1 :])
    return replace(region, parts=parts)
