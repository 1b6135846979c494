"""Which part of a picture is painted how: masks, read as regions and given their paintings.

Gatys, Ecker, Bethge, Hertzmann and Shechtman, "Controlling Perceptual Factors in Neural Style
Transfer" (CVPR 2017), section 4: each region has Gram matrices of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vangram.errors import SettingError
from vangram.images import Picture, Regions, regions
from vangram.images.masks import Colour

SAME_SHAPE = 0.02
"""Relative difference of aspects within which a mask is of its picture's shape."""


@dataclass(frozen=True, eq=False)
class Guide:
    """A region, and whose style it takes."""

    name: str
    """Its colour in the mask, as #rrggbb."""
    weights: Tensor
    """(1, 1, H, W) in [0, 1]: how much of each of the mask's pixels belongs to it."""
    parts: tuple[Tensor | None, ...]
    """By painting, how much of each of its pixels counts, (1, 1, H', W'); None: nothing of it."""


def guides_of(
    mask: Picture | None, style_masks: Sequence[Picture], paintings: Sequence[Picture]
) -> tuple[Guide, ...]:
    """The regions that have a style; none where there is no mask.

    With masks of the paintings, a region takes its style from what has its colour there. Without,
    the brightest region takes the first painting, the next bright the second, and what is left
    over, none.

    Raises:
        SettingError: masks and paintings do not fit each other.
    """
    if mask is None:
        if style_masks:
            raise SettingError("a mask of a painting needs one of the photograph: give --mask too")
        return ()
    found = regions(mask.pixels)
    if not style_masks:
        return tuple(_in_order(found, paintings))
    if len(style_masks) != len(paintings):
        raise SettingError(
            f"there are {len(paintings)} paintings and {len(style_masks)} masks of paintings: give"
            " each painting one"
        )
    theirs = []
    for painting, style_mask in zip(paintings, style_masks, strict=True):
        check_shape(style_mask, painting)
        theirs.append(regions(style_mask.pixels))
    return tuple(_by_colour(found, theirs, mask, style_masks))


def _in_order(found: Regions, paintings: Sequence[Picture]) -> list[Guide]:
    if len(found.colours) < len(paintings):
        raise SettingError(
            f"the mask has {len(found.colours)} regions for {len(paintings)} paintings: draw one"
            " for each, or give each painting a mask as well"
        )
    everything = [torch.ones(1, 1, *painting.size) for painting in paintings]
    return [
        Guide(
            _name(found.colours[index]),
            found.weights[None, index : index + 1],
            tuple(each if index == other else None for other, each in enumerate(everything)),
        )
        for index in range(len(paintings))
    ]


def _by_colour(
    found: Regions, theirs: Sequence[Regions], mask: Picture, style_masks: Sequence[Picture]
) -> list[Guide]:
    for each, style_mask in zip(theirs, style_masks, strict=True):
        for colour in each.colours:
            if found.of(colour) is None:
                known = ", ".join(map(_name, found.colours))
                raise SettingError(
                    f"{style_mask.name!r} has a region {_name(colour)} that {mask.name!r} does not"
                    f" have; it has {known}"
                )
    guides = []
    for index, colour in enumerate(found.colours):
        parts = tuple(_batched(each.of(colour)) for each in theirs)
        if any(part is not None for part in parts):
            guides.append(Guide(_name(colour), found.weights[None, index : index + 1], parts))
    if not guides:
        raise SettingError("no region of the mask has a style; is it the right one?")
    return guides


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


def _batched(weights: Tensor | None) -> Tensor | None:
    return None if weights is None else weights[None, None]


def _name(colour: Colour) -> str:
    return "#" + "".join(f"{round(255 * value):02x}" for value in colour)
