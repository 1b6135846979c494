"""The colour settings: what the network sees, and what the result takes from the photograph.

Gatys, Bethge, Hertzmann and Shechtman, "Preserving Color in Neural Artistic Style Transfer" (2016),
for "luminance" and "match"; "histogram" changes the finished picture alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from vangram.images import (
    ColourMap,
    ColourStatistics,
    Histogram,
    Picture,
    luminance_map,
    luminance_matching_map,
    match_histogram,
    matching_map,
    with_chroma,
)
from vangram.settings.recipe import Colour
from vangram.storage.tensors import bands


@dataclass(frozen=True)
class ColourMaps:
    """Colour maps applied to the inputs before the network sees them; None: no change."""

    content: ColourMap | None
    styles: tuple[ColourMap | None, ...]


def colour_maps(content: Picture | None, styles: Sequence[Picture], colour: Colour) -> ColourMaps:
    """The maps of a colour setting; those but "style" need a photograph and paintings."""
    if colour not in ("luminance", "match"):
        return ColourMaps(None, (None,) * len(styles))
    assert content is not None  # as `check_inputs` has seen to
    wanted = ColourStatistics.of(content.pixels, content.alpha)
    given = [ColourStatistics.of(style.pixels, style.alpha) for style in styles]
    if colour == "match":
        return ColourMaps(None, tuple(matching_map(each, wanted) for each in given))
    return ColourMaps(
        luminance_map(), tuple(luminance_matching_map(each, wanted) for each in given)
    )


def apply_colour(
    pixels: Tensor,
    photograph: Tensor,
    alpha: Tensor | None,
    colour: Colour,
    release: Callable[[], object],
) -> None:
    """Apply a colour setting to a finished picture, in place.

    Args:
        pixels: (1, 3, H, W) in [0, 1].
        photograph: of the same size.
        alpha: the photograph's, (1, 1, H, W); weights of its pixels in its colour statistics.
        colour: "style" and "match" change nothing.
        release: called after each band, for tensors that live in files.
    """
    if colour == "luminance":
        for rows in bands(pixels):
            at = (..., rows, slice(None))
            pixels[at] = with_chroma(pixels[at], photograph[at])
            release()
    elif colour == "histogram":
        # Without the map beforehand the channels' values would be right and the colours wrong.
        given, wanted = (ColourStatistics.of(each, alpha, release) for each in (pixels, photograph))
        matching_map(given, wanted)(pixels, into=pixels, release=release)
        ours, theirs = (Histogram.of(each, alpha, release) for each in (pixels, photograph))
        match_histogram(pixels, ours, theirs, into=pixels, release=release)
