"""`stained-glass`: a sun over hills and water, in leaded panes.

The picture is divided into regions (rings of the sun, sky, hills, water, border), each cut into
the Voronoi cells of its own seeds, so that the lead follows the drawing as well as the cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from .canvas import Array, Frame, mix, raking_light, rgb, smoothstep, soften, to_image
from .cells import voronoi

CENTRE = (0.40, 0.37)
STRIP = 0.036  # width of the border
RINGS = ((0.075, 1), (0.135, 12), (0.205, 18), (0.285, 24))  # outer radius, number of panes

GOLD = rgb("ffe9a0", "ffd24a", "ffb81f")
AMBER = rgb("ffb42a", "ff8f1a", "f26a12")
RUBY = rgb("e2231f", "b5121b", "f0452a", "cf1a4a")
SKY = rgb("1247b8", "0a2f8f", "2a78d6", "3aa0dd", "4a35a8", "0d55a0")
FAR = rgb("3a2a8c", "5a3aa6", "274a9e", "7a4ab0")
NEAR = rgb("0f7a4a", "3fa04a", "0b5a48", "8ab82e", "1f8f6a")
WATER = rgb("0f9bb0", "0b6f9a", "3cc4c4", "0a4f86", "7adcd0")
BORDER = rgb("9c1220", "c98a1a", "0f3a8c", "b01a2a")


@dataclass(frozen=True)
class Region:
    """A part of the drawing: how far inside it each pixel lies, its seeds and its glass."""

    inside: Array
    seeds: Array
    glass: Array


def _around(radius: float, count: int, turn: float) -> Array:
    """Seeds evenly spaced on a circle around the sun."""
    angle = (np.arange(count) + turn) * 2 * np.pi / count
    return np.array(CENTRE) + radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _sun(x: Array, y: Array) -> list[Region]:
    """The sun's rings, outermost first; the last one ends in flames."""
    r = np.hypot(x - CENTRE[0], y - CENTRE[1])
    angle = np.arctan2(y - CENTRE[1], x - CENTRE[0])
    regions, inner = [], 0.0
    for (radius, count), glass in zip(RINGS, (GOLD[:1], GOLD, AMBER, RUBY), strict=True):
        turn = 0.5 * (count % 24 == 0)
        flames = 0.022 * np.cos(count * (angle - turn * 2 * np.pi / count)) * (radius > 0.25)
        regions.append(
            Region(radius + flames - r, _around((radius + inner) / 2, count, turn), glass)
        )
        inner = radius
    return regions[::-1]


def _bands(x: Array, y: Array, aspect: float, rng: np.random.Generator) -> list[Region]:
    """Hills, then water: wavy strips of one row of panes each, back to front."""
    strips = (  # top, height and frequency of the wave, phase, panes, glass
        (0.595, 0.050, 7.0, 0.4, 8, FAR), (0.665, 0.045, 6.0, 3.2, 7, FAR),
        (0.715, 0.050, 5.5, 4.6, 7, NEAR), (0.785, 0.035, 6.0, 1.6, 8, NEAR),
        (0.845, 0.012, 15.0, 0.5, 7, WATER), (0.885, 0.012, 15.0, 2.4, 8, WATER),
        (0.925, 0.012, 15.0, 4.2, 7, WATER),
    )  # fmt: skip
    regions = []
    for top, height, frequency, phase, count, glass in strips:
        inside = y - top - height * np.sin(frequency * x + phase)
        across = (np.arange(count) + 0.5 + rng.uniform(-0.25, 0.25, count)) * aspect / count
        down = top + height * np.sin(frequency * across + phase) + rng.uniform(0.02, 0.07, count)
        regions.append(Region(inside, np.stack([across, down], axis=-1), glass))
    return regions


def _border(x: Array, y: Array, aspect: float) -> Region:
    """A strip of oblong panes around the window."""
    rim = np.minimum(np.minimum(x, aspect - x), np.minimum(y, 1 - y))
    near, far, low = STRIP / 2, aspect - STRIP / 2, 1 - STRIP / 2
    down, across = np.linspace(near, low, 11), np.linspace(near, far, 9)[1:-1]
    sides = [np.stack([np.full_like(down, side), down], axis=-1) for side in (near, far)]
    sides += [np.stack([across, np.full_like(across, side)], axis=-1) for side in (near, low)]
    return Region(STRIP - rim, np.concatenate(sides), BORDER)


def _regions(x: Array, y: Array, aspect: float, rng: np.random.Generator) -> list[Region]:
    """The drawing, back to front."""
    sky = np.concatenate([_around(0.345 + 0.075 * k, 28, 0.5 * k) for k in range(6)])
    sky += rng.uniform(-0.014, 0.014, sky.shape)
    everywhere = Region(np.full_like(x, np.inf), sky, SKY)
    return [everywhere, *_sun(x, y), *_bands(x, y, aspect, rng), _border(x, y, aspect)]


def _cut(regions: list[Region], x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, ...]:
    """Cuts the panes: the distance to the lead, the panes' colours and a slope within each."""
    lead, slope = np.full_like(x, np.inf), np.zeros_like(x)
    color = np.zeros((*x.shape, 3))
    for region in regions:
        mask = region.inside > 0
        pane, edge = voronoi(np.stack([x[mask], y[mask]], axis=-1), region.seeds)
        lead = np.minimum(lead, np.abs(region.inside))
        lead[mask] = np.minimum(edge, region.inside[mask])
        count = len(region.seeds)
        pick = (np.arange(count) + rng.integers(0, 2, count)) % len(region.glass)
        tint = region.glass[pick] * rng.uniform(0.82, 1.12, (count, 1))
        color[mask] = tint[pane]
        angle = rng.uniform(0, 2 * np.pi, count)
        toward = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * (count > 1)  # the sun is even
        offset = np.stack([x[mask], y[mask]], axis=-1) - region.seeds[pane]
        slope[mask] = (toward[pane] * offset).sum(axis=1)
    return lead, color, slope


def _glass(frame: Frame, color: Array, slope: Array, rng: np.random.Generator) -> Array:
    """Light through hand-blown glass: a gradient, streaks and seeds in each pane."""
    x, y = frame.grid()
    streak = frame.noise(rng, 0.06, 3)
    ream = np.sin(60 * (x + 0.6 * y) + 5 * frame.noise(rng, 0.07, 2) + 40 * slope)
    seeds = frame.noise(rng, 0.008)
    light = 1 + 4.5 * slope + 0.13 * streak + 0.045 * ream + 0.035 * seeds
    r = np.hypot(x - CENTRE[0], y - CENTRE[1])
    light *= 0.78 + 0.42 * np.exp(-((r / 0.42) ** 2))
    light = np.clip(light, 0.5, 1.7)[..., None]
    # Thin glass passes more white, thick glass saturates: a power, not a product alone.
    return np.clip(color, 0.005, 1) ** (1.25 - 0.25 * light) * light


def paint(size: int) -> Image.Image:
    """Paints the picture, `size` pixels on its longer side."""
    rng = np.random.default_rng(1230)
    frame = Frame.of(size, 0.8)
    x, y = frame.grid()
    bent = [axis + 0.0022 * frame.noise(rng, 0.09, 2) for axis in (x, y)]
    regions = _regions(bent[0], bent[1], frame.width / frame.height, rng)
    lead, color, slope = _cut(regions, bent[0], bent[1], rng)
    away = lead * frame.height / frame.px  # pixels of the final picture
    glass = _glass(frame, color, slope, rng)
    glass *= (0.72 + 0.28 * smoothstep(2, 9, away))[..., None]  # grime gathers at the lead

    half = 2.9 + 0.35 * frame.noise(rng, 0.03)
    came = np.sqrt(np.clip(1 - (away / half) ** 2, 0, 1))
    metal = rgb("2b2a2c")[0] * (1 + 0.12 * frame.noise(rng, 0.012)[..., None])
    metal = raking_light(metal, soften(came, 2), 3.0, gloss=0.3)
    picture = mix(glass, metal, smoothstep(half + 0.5, half - 0.3, away))
    return to_image(picture)
