"""Masks: pictures whose flat colours, or whose alpha, mark regions.

Gatys, Ecker, Bethge, Hertzmann and Shechtman, "Controlling Perceptual Factors in Neural Style
Transfer" (CVPR 2017), section 4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import pad

from vangram.errors import SettingError
from vangram.images.picture import Picture
from vangram.storage.files import quoted
from vangram.storage.tensors import row_bands

MAX_REGIONS = 16
LEAST_SHARE = 0.005
"""Share of a mask that a region fills at least; soft edges have less of any one colour."""
LEAST_LABEL = 0.002
"""The same for a colour of a mask that has at most `MAX_REGIONS` colours."""
ALIKE = 24.5 / 255
"""Largest difference in any channel of pixels of one flat colour: JPEG's noise."""
FLAT = 8.5 / 255
"""The same for most of these pixels: in a gradient, only a third of those within `ALIKE`."""
SAMPLE = 256
"""Longer side in pixels to which a mask is subsampled to find its colours."""

STEP = 6.5 / 255
"""Second difference above which a pixel is textured rather than on a gradient."""
TEXTURE_BESIDE, TEXTURE_APART = 0.025, 0.01
"""Shares of textured pixels, 1 and 2 pixels away from any flat colour, of a photograph.

Both are exceeded by photographs of all 1000 classes of ImageNet, in colour (0.057 and 0.046 at
least) and in grey (0.027 and 0.012). Masks with sharp or soft edges or gradients exceed at most one
of them, as JPEG of quality 50 as well."""
MATTE = 0.6
"""Share of the two most frequent colours, unlike each other, that makes any picture a mask."""

Colour = tuple[float, float, float]
"""sRGB in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of a mask, which may overlap softly."""

    colours: tuple[Colour | None, ...]
    """Colour of each, bright to dark, the transparent region last; None for one marked by alpha."""
    names: tuple[str, ...]
    """"#rrggbb", "opaque" or "transparent"."""
    weights: Tensor
    """(R, H, W) in [0, 1], float32: share of each pixel in each region; they add up to 1."""

    @property
    def shares(self) -> list[float]:
        """Share of the area of each."""
        return [float(each.mean()) for each in self.weights]

    @property
    def described(self) -> str:
        """Names and shares of the area, for messages."""
        pairs = zip(self.names, self.shares, strict=True)
        return ", ".join(f"{name} {share:.1%}" for name, share in pairs)

    def matches(self, others: Regions) -> dict[int, int]:
        """Index of a region -> index of the region of `others` with its name or nearest colour."""
        within = min(_tolerance(self), _tolerance(others))
        found = {}
        for index, (name, colour) in enumerate(zip(self.names, self.colours, strict=True)):
            if name in others.names:
                found[index] = others.names.index(name)
            elif colour is not None:
                distances = {
                    _distance(colour, other): at
                    for at, other in reversed(list(enumerate(others.colours)))
                    if other is not None
                }
                if distances and min(distances) <= within:
                    found[index] = distances[min(distances)]
        return found


def regions(mask: Picture) -> Regions:
    """Find the regions of a mask.

    A flat colour marks a region. Other pixels lie on soft edges or gradients and are shared between
    the two region colours that are nearest to theirs, in proportion. Transparent pixels are a
    region as well; with at most one flat colour beside them, alpha alone separates two regions.

    Raises:
        SettingError: the picture is a photograph, or has too many flat colours.
    """
    pixels, sample = mask.pixels.cpu(), _sampled(mask.pixels)
    if mask.alpha is None or float(1 - mask.alpha.mean()) < LEAST_LABEL:
        colours = _flat_colours(sample)
        if _is_photograph(sample, colours):
            raise SettingError(
                f"{quoted(mask.name)} has too many colours for a mask, which marks regions by flat"
                " ones: is it a photograph?"
            )
        if len(colours) < 2:
            colours = _with_extremes(colours, pixels)
        _check_count(colours, mask.name)
        return Regions(tuple(colours), _names(colours), _shares(pixels, colours))
    alpha, opaque = mask.alpha[0].cpu(), _sampled(mask.alpha)[0] > 0.5
    colours = _flat_colours(sample, opaque)
    if len(colours) < 2 or _is_photograph(sample, colours, opaque):
        colour = colours[0] if len(colours) == 1 else None
        name = "opaque" if colour is None else _names(colours)[0]
        return Regions((colour, None), (name, "transparent"), torch.cat((alpha, 1 - alpha)))
    _check_count(colours, mask.name)
    weights = torch.cat((_shares(pixels, colours) * alpha, 1 - alpha))
    return Regions((*colours, None), (*_names(colours), "transparent"), weights)


def keep_mask(mask: Picture) -> Picture:
    """A mask whose grey levels say how much of each pixel is kept, from 0 to 1.

    White is kept and black is not; what is transparent is not. Where alpha alone separates two
    regions, the opaque one is kept, whatever its colour.

    Raises:
        SettingError: the picture is no mask, or it keeps everything or nothing.
    """
    found, kept = regions(mask), mask.pixels
    if mask.alpha is not None and "transparent" in found.names:
        kept = (mask.alpha if len(found.names) == 2 else kept * mask.alpha).expand(1, 3, -1, -1)
    share = float(kept.mean())
    if len(found.names) < 2 or not 0 < share < 1 or float(kept.mean(1).max()) < 0.5:
        raise SettingError(
            f"the mask {quoted(mask.name)} keeps {share:.1%} of the photograph; it has"
            f" {found.described}: paint white what is kept, and black what is not"
        )
    note = f"the mask {quoted(mask.name)} keeps {share:.1%} of the photograph"
    return replace(mask, pixels=kept, alpha=None, notes=(*mask.notes, note))


def _sampled(pixels: Tensor) -> Tensor:
    """Every n-th row and column of (1, C, H, W), as (C, h, w)."""
    step = -(-max(pixels.shape[-2:]) // SAMPLE)
    return pixels[0, :, ::step, ::step].cpu()


def _flat_colours(sample: Tensor, opaque: Tensor | None = None) -> list[Colour]:
    """Colours that fill areas, from bright to dark.

    Args:
        sample: (3, h, w).
        opaque: (h, w), the pixels that count; None: all.
    """
    codes = _codes(sample)
    if opaque is not None:
        codes = torch.where(opaque, codes, -1)
    inside = torch.ones_like(codes, dtype=torch.bool)  # equal to all four neighbours
    down, right = codes[1:] == codes[:-1], codes[:, 1:] == codes[:, :-1]
    inside[1:] &= down
    inside[:-1] &= down
    inside[:, 1:] &= right
    inside[:, :-1] &= right
    found, index, counts = torch.unique(codes, return_inverse=True, return_counts=True)
    inner = torch.zeros_like(counts).index_add_(0, index.flatten(), inside.flatten().long())
    known = found >= 0
    found, counts, inner = found[known], counts[known], inner[known]
    colours, pixels = _decoded(found), int(counts.sum())
    if len(found) <= MAX_REGIONS:  # a mask of exact colours, as label maps are, however alike
        flat = (counts >= LEAST_LABEL * pixels) & (inner >= 0.2 * counts)
        named = colours[flat].tolist()
    else:
        named = _clusters(colours, counts)
    return sorted(((r, g, b) for r, g, b in named), key=sum, reverse=True)


def _codes(sample: Tensor) -> Tensor:
    """The colours of (3, h, w) as one integer each, 16 bits a channel."""
    red, green, blue = (sample * 65535).round().long()
    codes: Tensor = (red << 32) + (green << 16) + blue
    return codes


def _decoded(codes: Tensor) -> Tensor:
    """The colours (n, 3) of n integers."""
    return torch.stack((codes >> 32, codes >> 16 & 65535, codes & 65535), dim=1) / 65535


def _clusters(colours: Tensor, counts: Tensor) -> list[list[float]]:
    """The most frequent colours (n, 3) of areas that are flat up to JPEG's noise."""
    order = torch.argsort(counts, descending=True, stable=True)[:4096]
    pixels, colours, counts = int(counts.sum()), colours[order], counts[order]
    free = torch.ones(len(colours), dtype=torch.bool)  # not within `ALIKE` of a more frequent one
    found = []
    for index in range(len(colours)):
        if not free[index]:
            continue
        away = (colours - colours[index]).abs().amax(1)
        around, close = counts[away <= ALIKE].sum(), counts[away <= FLAT].sum()
        free &= away > ALIKE
        if around >= LEAST_SHARE * pixels and close > 0.6 * around:
            found.append(colours[index].tolist())
    return found


def _with_extremes(colours: list[Colour], pixels: Tensor) -> list[Colour]:
    """Region colours of a gradient: its brightest and darkest, unless they are flat colours."""
    brightness = pixels[0].sum(0).flatten()
    for at in (brightness.argmax(), brightness.argmin()):
        red, green, blue = pixels[0].flatten(1)[:, at].tolist()
        if all(_distance(each, (red, green, blue)) > ALIKE for each in colours):
            colours = [*colours, (red, green, blue)]
    return sorted(colours, key=sum, reverse=True)


def _is_photograph(sample: Tensor, colours: list[Colour], opaque: Tensor | None = None) -> bool:
    """Whether areas between the flat colours are textured; of opaque pixels alone, if given."""
    if _is_matte(sample, opaque):
        return False
    away = torch.full(sample.shape[1:], torch.inf)
    for colour in colours:
        away = away.minimum((sample - torch.tensor(colour)[:, None, None]).abs().amax(0))
    padded = pad(sample[None], (1, 1, 1, 1), mode="replicate")[0]
    middle = padded[:, 1:-1, 1:-1]
    across = padded[:, 1:-1, 2:] - 2 * middle + padded[:, 1:-1, :-2]
    down = padded[:, 2:, 1:-1] - 2 * middle + padded[:, :-2, 1:-1]
    textured = torch.maximum(across.abs(), down.abs()).amax(0) > STEP
    near = (away <= FLAT) if opaque is None else (away <= FLAT) | ~opaque
    shares = []
    for _ in range(2):
        near = _dilated(near)
        shares.append(float((textured & ~near).float().mean()))
    return shares[0] > TEXTURE_BESIDE and shares[1] > TEXTURE_APART


def _dilated(area: Tensor) -> Tensor:
    """An area (h, w) and the four neighbours of each of its pixels."""
    grown = area.clone()
    grown[1:] |= area[:-1]
    grown[:-1] |= area[1:]
    grown[:, 1:] |= area[:, :-1]
    grown[:, :-1] |= area[:, 1:]
    return grown


def _is_matte(sample: Tensor, opaque: Tensor | None) -> bool:
    """Whether two unlike exact colours fill most of a picture."""
    codes = _codes(sample) if opaque is None else _codes(sample)[opaque]
    found, counts = torch.unique(codes, return_counts=True)
    order = counts.argsort(descending=True, stable=True)[:64]
    colours, shares = _decoded(found[order]), counts[order] / codes.numel()
    unlike = (colours - colours[0]).abs().amax(1) > ALIKE
    second = float(shares[unlike].max()) if bool(unlike.any()) else 0.0
    return second >= 0.05 and float(shares[0]) + second >= MATTE


def _check_count(colours: list[Colour], name: str) -> None:
    if len(colours) > MAX_REGIONS:
        raise SettingError(
            f"{quoted(name)} has {len(colours)} flat colours, and a mask at most {MAX_REGIONS}:"
            " is it a photograph?"
        )


def _shares(pixels: Tensor, colours: list[Colour]) -> Tensor:
    """Share of each pixel (1, 3, H, W) in the region of each colour, (R, H, W)."""
    weights = pixels.new_empty(len(colours), *pixels.shape[-2:])
    for rows in row_bands(pixels):
        band = pixels[0, :, rows]
        shares = _shares_of(band.flatten(1).T, torch.tensor(colours).to(pixels))
        weights[:, rows] = shares.T.reshape(-1, *band.shape[1:])
    return weights


def _shares_of(pixels: Tensor, palette: Tensor) -> Tensor:
    """Share of pixels (n, 3) in each colour of a palette (R, 3): (n, R)."""
    shares = pixels.new_zeros(len(pixels), len(palette))
    best = pixels.new_full((len(pixels),), torch.inf)
    if len(palette) == 1:
        return shares.fill_(1.0)
    for one, other in combinations(range(len(palette)), 2):
        along = palette[other] - palette[one]
        at = ((pixels - palette[one]) @ along / along.square().sum()).clamp(0, 1)
        away = (pixels - palette[one] - at[:, None] * along).square().sum(1)
        nearer = away < best - 1e-12  # the first of equals, whatever rounding says
        best = torch.where(nearer, away, best)
        pair = torch.zeros_like(shares)
        pair[:, one], pair[:, other] = 1 - at, at
        shares = torch.where(nearer[:, None], pair, shares)
    return shares


def _tolerance(found: Regions) -> float:
    """Largest distance at which a colour of another mask can mean one of these regions."""
    colours = [each for each in found.colours if each is not None]
    return min([ALIKE, *(_distance(a, b) / 2 for a, b in combinations(colours, 2))])


def _distance(one: Colour, other: Colour) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def _names(colours: list[Colour]) -> tuple[str, ...]:
    """#rrggbb of each, or #rrrrggggbbbb where these are not distinct."""
    short = tuple("#" + "".join(f"{round(255 * v):02x}" for v in each) for each in colours)
    if len(set(short)) == len(colours):
        return short
    return tuple("#" + "".join(f"{round(65535 * v):04x}" for v in each) for each in colours)
