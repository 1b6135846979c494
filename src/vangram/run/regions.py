"""Spatial control: the regions of masks, and the paintings whose style they take.

Gatys, Ecker, Bethge, Hertzmann and Shechtman, "Controlling Perceptual Factors in Neural Style
Transfer" (CVPR 2017), section 4: each region has Gram matrices of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vangram.errors import SettingError
from vangram.images import Picture, Regions, regions
from vangram.images.picture import SAME_SHAPE
from vangram.objective import Region
from vangram.storage.files import counted, quoted


def read_regions(
    mask: Picture | None, style_masks: Sequence[Picture], paintings: Sequence[Picture]
) -> tuple[tuple[Region, ...], tuple[str, ...]]:
    """The regions that have a style, at the masks' own sizes, and lines that say what was found.

    With masks of the paintings, a region takes its style from the region of the same colour there.
    Without, the brightest region takes the first painting, the next bright the second, and the
    regions left over none.

    Raises:
        SettingError: a mask has one region or is a photograph, or masks and paintings do not fit.
    """
    if mask is None:
        if style_masks:
            raise SettingError("a mask of a painting needs one of the photograph: give --mask too")
        return (), ()
    found = regions(mask)
    if len(found.names) < 2 or sorted(found.shares)[-2] == 0:
        raise SettingError(
            f"the mask {quoted(mask.name)} has one region, {found.described}, and needs two or"
            " more: paint them in colours that differ, as white and black"
        )
    if style_masks:
        parts, notes = _by_colour(found, mask, style_masks, paintings)
    else:
        parts, notes = _in_order(found, paintings), []
    guided = tuple(
        Region(name, found.weights[None, index : index + 1], parts[index])
        for index, name in enumerate(found.names)
        if index in parts
    )
    styles = []
    for index, name in enumerate(found.names):
        there = zip(parts.get(index, ()), paintings, strict=False)
        names = [quoted(painting.name) for part, painting in there if part is not None]
        styles.append(f"{name} {found.shares[index]:.1%} ({' and '.join(names) or 'no painting'})")
    notes = [f"the mask {quoted(mask.name)} has {len(styles)} regions: {', '.join(styles)}", *notes]
    return guided, tuple(notes)


Parts = dict[int, tuple[Tensor | None, ...]]
"""Index of a region -> `Region.parts`."""


def _in_order(found: Regions, paintings: Sequence[Picture]) -> Parts:
    if len(found.names) < len(paintings):
        raise SettingError(
            f"the mask has {counted(len(found.names), 'region')} for"
            f" {counted(len(paintings), 'painting')}: draw one"
            " for each, or give each painting a mask as well"
        )
    everything = [torch.ones(1, 1, *painting.size) for painting in paintings]
    return {
        index: tuple(each if index == other else None for other, each in enumerate(everything))
        for index in range(len(paintings))
    }


def _by_colour(
    found: Regions, mask: Picture, style_masks: Sequence[Picture], paintings: Sequence[Picture]
) -> tuple[Parts, list[str]]:
    if len(style_masks) != len(paintings):
        raise SettingError(
            f"{counted(len(paintings), 'painting')} and"
            f" {counted(len(style_masks), 'mask')} of paintings are given: give each painting one"
        )
    parts: dict[int, list[Tensor | None]] = {}
    notes = []
    for number, (painting, style_mask) in enumerate(zip(paintings, style_masks, strict=True)):
        check_shape(style_mask, painting)
        theirs = regions(style_mask)
        matches = theirs.matches(found)
        for index, name in enumerate(theirs.names):
            if index not in matches:
                raise SettingError(
                    f"{quoted(style_mask.name)} has a region {name} that {quoted(mask.name)} does"
                    f" not have; it has {found.described}"
                )
            there = parts.setdefault(matches[index], [None] * len(paintings))
            there[number] = theirs.weights[None, index : index + 1]
        notes.append(
            f"the mask {quoted(style_mask.name)} of {quoted(painting.name)} has {theirs.described}"
        )
    return {index: tuple(there) for index, there in parts.items()}, notes


def check_shape(mask: Picture, picture: Picture) -> None:
    """Check that a mask has its picture's proportions.

    Raises:
        SettingError: it has another shape than its picture.
    """
    ours, theirs = (p.size[0] / p.size[1] for p in (mask, picture))
    if abs(ours / theirs - 1) > SAME_SHAPE:
        raise SettingError(
            f"the mask {mask.name!r} has {mask.size[1]} x {mask.size[0]} px, and its picture"
            f" {picture.size[1]} x {picture.size[0]}: give it the same shape"
        )
