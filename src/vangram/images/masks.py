"""Masks: a picture whose colours name regions, soft where colours run into each other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vangram.errors import SettingError

LEAST_SHARE = 0.02
"""Of a mask's pixels, that a colour needs to be a region's; a soft edge has less of each."""
ALIKE = 24 / 255
"""Distance along any channel within which colours are one: what JPEG does to flat areas."""
MOST_REGIONS = 16
BAND = 2**18
"""Pixels at a time."""

Colour = tuple[float, float, float]
"""sRGB in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Regions:
    """A picture's parts, which may run into each other."""

    colours: tuple[Colour, ...]
    """What names each, from bright to dark."""
    weights: Tensor
    """(R, H, W) in [0, 1], float32: how much of each pixel belongs to each; they add up to 1."""

    def of(self, colour: Colour) -> Tensor | None:
        """Weights (H, W) of the region that a colour names; None where there is none."""
        for index, each in enumerate(self.colours):
            if _distance(each, colour) <= ALIKE:
                return self.weights[index]
        return None


def regions(mask: Tensor) -> Regions:
    """The regions that a mask's colours name.

    A colour that fills part of the mask names a region. Any other pixel lies on a soft edge: it
    belongs to the two named colours between which its own lies, in proportion.

    Args:
        mask: (1, 3, H, W), sRGB in [0, 1].

    Raises:
        SettingError: it has too many colours to be a mask.
    """
    colours = _named(mask)
    palette = torch.tensor(colours)
    height, width = mask.shape[-2:]
    pixels = mask[0].reshape(3, -1).T
    weights = pixels.new_zeros(len(palette), len(pixels))
    for first in range(0, len(pixels), BAND):
        part = slice(first, first + BAND)
        weights[:, part] = _shares(pixels[part], palette.to(pixels)).T
    return Regions(colours, weights.view(len(palette), height, width))


def _named(mask: Tensor) -> tuple[Colour, ...]:
    """Colours that fill part of a mask, or the extremes of one that has none; bright to dark."""
    levels = (mask[0].reshape(3, -1).T * 255).round().to(torch.int64)
    pixels = len(levels)
    codes, counts = torch.unique(
        (levels * torch.tensor([65536, 256, 1])).sum(1), return_counts=True
    )
    order = torch.argsort(counts, descending=True, stable=True)[:4096]
    codes, counts = codes[order], counts[order]
    levels = torch.stack((codes // 65536, codes // 256 % 256, codes % 256), dim=1)
    found: list[Colour] = []
    named: list[Colour] = []
    for red, green, blue in (levels / 255).tolist():
        colour = (red, green, blue)
        if any(_distance(each, colour) <= ALIKE for each in found):
            continue
        found.append(colour)
        away = (levels / 255 - torch.tensor(colour)).abs().amax(1)
        around, close = counts[away <= ALIKE].sum(), counts[away <= ALIKE / 3].sum()
        # Around a flat colour nearly all lie close to it, in a gradient a third.
        if around >= LEAST_SHARE * pixels and close > 0.6 * around:
            named.append(colour)
    if len(named) < 2:  # a gradient ends in its extremes
        by_brightness = sorted(((r, g, b) for r, g, b in (levels / 255).tolist()), key=sum)
        for colour in (by_brightness[-1], by_brightness[0]):
            if all(_distance(each, colour) > ALIKE for each in named):
                named.append(colour)
    if len(named) > MOST_REGIONS:
        raise SettingError(
            f"a mask names its regions by flat colours, at most {MOST_REGIONS}; this one has"
            f" {len(named)}: is it a photograph?"
        )
    return tuple(sorted(named, key=sum, reverse=True))


def _shares(pixels: Tensor, palette: Tensor) -> Tensor:
    """How much of pixels (n, 3) belongs to each colour of a palette (R, 3): (n, R)."""
    shares = pixels.new_zeros(len(pixels), len(palette))
    best = pixels.new_full((len(pixels),), torch.inf)
    if len(palette) == 1:
        return shares.fill_(1.0)
    for one in range(len(palette)):
        for other in range(one + 1, len(palette)):
            along = palette[other] - palette[one]
            at = ((pixels - palette[one]) @ along / along.square().sum()).clamp(0, 1)
            away = (pixels - palette[one] - at[:, None] * along).square().sum(1)
            nearer = away < best - 1e-9  # the first of equals, whatever rounding says
            best = torch.where(nearer, away, best)
            pair = torch.zeros_like(shares)
            pair[:, one], pair[:, other] = 1 - at, at
            shares = torch.where(nearer[:, None], pair, shares)
    return shares


def _distance(one: Colour, other: Colour) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))
