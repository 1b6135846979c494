"""`pointillism`: an evening on the river, in touches of unmixed colour.

Every touch is one of a few pure pigments; hues mix in the eye. After Seurat, shadows and edges
receive touches of the complementary colour, and the primed canvas shows between the dots.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from .canvas import (
    Array,
    Frame,
    mix,
    nearest_pigment,
    raking_light,
    ramp,
    rgb,
    smoothstep,
    soften,
    to_image,
)
from .strokes import Paint, dab, jittered, sample

PIGMENTS = rgb(
    "fdf3cf", "fde27a", "f9c22e", "f28c28", "e4572e", "d03a6a",  # light to rose madder
    "a65ab5", "5f4bb6", "2b3fa0", "2f73c9", "6fb3e0", "bfe0ee",  # violet to pale blue
    "1f6b57", "2f9a5b", "7fbf4a", "c5d648",  # viridian to lemon green
)  # fmt: skip
CANVAS = rgb("e9dcc0")[0]
HORIZON = 0.50
SUN = (0.93, 0.36)


def _sky(x: Array, y: Array, cloud: Array) -> Array:
    """Blue overhead, lemon and rose towards the sun."""
    color = ramp(y / HORIZON, rgb("2f6fc8", "6fb3e0", "bfe0ee", "fde9a8", "fbb45a", "ec7a52"))
    color = mix(color, rgb("f4a6a0")[0], 0.75 * smoothstep(0.1, 1.0, cloud))
    r = np.hypot(x - SUN[0], y - SUN[1])
    color = mix(color, rgb("fdd23a")[0], 0.85 * np.exp(-((r / 0.14) ** 2)))
    return mix(color, rgb("fffbe6")[0], smoothstep(0.058, 0.045, r))


def _crowns(rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """The trees' masses of leaves as circles x, y, radius, back to front."""
    crowns = []
    for cx, cy, spread in ((0.15, 0.27, 0.15), (0.40, 0.40, 0.07), (0.02, 0.36, 0.10)):
        for _ in range(34):
            angle, reach = rng.uniform(0, 2 * np.pi), spread * 0.9 * np.sqrt(rng.random())
            where = cx + reach * np.cos(angle), cy + 0.85 * reach * np.sin(angle)
            crowns.append((*where, spread * rng.uniform(0.18, 0.34)))
    return sorted(crowns, key=lambda crown: crown[1])


def _trees(color: Array, x: Array, y: Array, leafy: Array, rng: np.random.Generator) -> Array:
    """Trunks, then crowns lit from the sun's side."""
    for cx, top, half in ((0.15, 0.28, 0.016), (0.40, 0.42, 0.008), (0.03, 0.36, 0.012)):
        lean = cx + 0.03 * np.sin(6 * y)
        trunk = (np.abs(x - lean) < half * (0.7 + y)) & (y > top) & (y < 0.66)
        color = np.where(trunk[..., None], rgb("4a2f6a")[0], color)
    edge = np.clip(1 + 0.22 * leafy, 0.7, 1.6)
    for cx, cy, radius in _crowns(rng):
        r = np.hypot(x - cx, y - cy) / radius * edge
        light = 0.46 + 0.5 * ((x - cx) * 0.85 - (y - cy) * 0.6) / radius
        leaves = ramp(light, rgb("2b2f86", "24508a", "1f6b57", "2f9a5b", "9cc94a", "e6d040"))
        color = mix(color, leaves, smoothstep(1.0, 0.93, r))
    return color


def _boats(color: Array, x: Array, y: Array) -> Array:
    """Two sailing boats."""
    for cx, base, height in ((0.68, 0.56, 0.17), (1.10, 0.525, 0.085)):
        up = (base - y) / height
        sail = (up > 0.08) & (up < 1) & (x - cx < 0.55 * height * (1 - up)) & (x > cx)
        jib = (up > 0.1) & (up < 0.85) & (cx - x < 0.3 * height * (0.85 - up)) & (x < cx - 0.003)
        hull = (np.abs(x - cx) < 0.42 * height * (1 + 0.8 * up)) & (up > -0.1) & (up < 0.06)
        color = np.where(sail[..., None], rgb("fff3d6")[0], color)
        color = np.where(jib[..., None], rgb("f7c9b0")[0], color)
        color = np.where(hull[..., None], rgb("7a2a4a")[0], color)
    return color


def _river(frame: Frame, above: Array, rng: np.random.Generator) -> Array:
    """The sky's reflection, broken by the swell, and the sun's path."""
    x, y = frame.grid()
    below = np.clip(y - HORIZON, 0, 1)
    ripple = 0.1 * below * frame.noise(rng, 0.05, 2)
    mirrored = np.clip((2 * HORIZON - y + ripple) * frame.height, 0, frame.height - 1).astype(int)
    reflection = above[mirrored, np.arange(frame.width)[None]]
    # Bands of reflection and of open water rather than their blend, which would be grey.
    swell = np.sin(260 * np.sqrt(below + 0.02) + 2.2 * frame.noise(rng, 0.12, 2))
    open_water = ramp(below / 0.4, rgb("8f86d0", "6fb3e0", "2f73c9", "5f4bb6"))
    water = mix(reflection, open_water, smoothstep(0.35, -0.25, swell - 1.6 * below))
    path = np.exp(-(((x - SUN[0]) / (0.03 + 0.2 * below)) ** 2))
    glint = 0.5 + 0.5 * np.sin(190 * y + 3 * frame.noise(rng, 0.1))
    return mix(water, rgb("ffe08a")[0], 0.9 * path * glint)


def _grass(frame: Frame, depth: Array, rng: np.random.Generator) -> Array:
    """The near bank, crossed by the trees' long shadows."""
    x, y = frame.grid()
    grass = ramp(depth / 0.4, rgb("d8dc5a", "9cc94a", "5fae4f", "3a8f5a"))
    stripes = np.sin(9 * (y - 0.42 * x) + 1.2 + 0.3 * frame.noise(rng, 0.1))
    return mix(grass, rgb("3a3f9a")[0], 0.75 * smoothstep(0.2, 0.9, stripes))


def _scene(frame: Frame, rng: np.random.Generator) -> Array:
    """The wanted colour everywhere, before it is divided into pigments."""
    x, y = frame.grid()
    cloud = frame.noise(rng, 0.22, 3) - 3 * np.abs(y - 0.2) + 0.2
    hill = HORIZON - 0.055 - 0.03 * np.sin(5 * x + 1) - 0.012 * np.sin(13 * x)
    far = ramp((y - hill) / 0.09, rgb("8f86d0", "6a78c4", "5a9aa8"))
    above = np.where((y > hill)[..., None], far, _sky(x, y, cloud))
    color = np.where((y > HORIZON)[..., None], _river(frame, above, rng), above)
    color = _boats(color, x, y)
    bank = y - 0.575 - 0.30 * x**1.5 - 0.012 * np.sin(14 * x)
    color = np.where((bank > 0)[..., None], _grass(frame, bank, rng), color)
    return _trees(color, x, y, frame.noise(rng, 0.03, 2), rng)


def paint(size: int) -> Image.Image:
    """Paints the picture, `size` pixels on its longer side."""
    rng = np.random.default_rng(1886)
    frame = Frame.of(size, 4 / 3)
    px = frame.px
    scene = _scene(frame, rng)
    wet = Paint.primed(frame, CANVAS)
    x, y = frame.grid()
    thread = 2 * np.pi * 768 / 3.6 * frame.height / max(frame.height, frame.width)
    wet.relief += 0.10 * np.sin(thread * x) * np.sin(thread * y)
    layers = ((4.6, 7.6, 0.10, 0.3), (3.5, 5.6, 0.08, 0.12), (2.5, 4.9, 0.06, 0.08))
    for radius, spacing, spread, opposed in layers:
        centres = jittered(frame, spacing * px, rng)
        wanted = sample(soften(scene), centres)
        # The contrast of a neighbour: some touches answer with the complementary hue.
        opposite = 2 * wanted.mean(axis=1, keepdims=True) - wanted
        other = np.clip(0.35 * wanted + 0.65 * opposite, 0, 1)
        wanted = np.where(rng.random((len(wanted), 1)) < opposed, other, wanted)
        colors = nearest_pigment(wanted, PIGMENTS, rng, spread)
        for centre, color in zip(centres, colors, strict=True):
            radii = radius * px * rng.uniform(0.75, 1.2) * np.array([1.12, 0.9])
            dab(wet, centre, radii, rng.uniform(0, np.pi), color)
    return to_image(raking_light(wet.color, soften(wet.relief), 0.8))
