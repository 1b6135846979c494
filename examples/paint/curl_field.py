"""`curl-field`: a night of glowing swirls over rolling hills, in oriented impasto strokes.

The brush follows the curl of a stream function: wind, vortices around the lights, and noise. The
colour is banded along the same function, so that neighbouring strokes swirl as light and dark.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
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
from .strokes import Brush, Paint, direction_of, jittered, lay, sample, trace, trim

PALETTE = rgb(
    "0d1238", "18266a", "21409e", "2d62c0", "5390d2", "93c0dc", "d3e2d2",  # ultramarine to sky
    "fff3bf", "fbd84a", "f3ac1c", "d97c18", "96481c",  # cadmium yellow to burnt sienna
    "122e30", "1f5750", "4a8a58", "98aa4c",  # viridian to olive
)  # fmt: skip
NIGHT, SKY, PALE, CREAM, YELLOW, ORANGE, RUST, SIENNA = PALETTE[[0, 4, 5, 7, 8, 9, 10, 11]]

# x, y, radius of the glow and spin of each light; the first is the moon. Picture heights.
LIGHTS = (
    (1.05, 0.165, 0.105, 1.0), (0.16, 0.13, 0.060, -1.0), (0.43, 0.08, 0.045, 1.0),
    (0.75, 0.095, 0.050, -1.0), (0.27, 0.335, 0.045, 1.0), (0.99, 0.43, 0.050, -1.0),
    (0.06, 0.41, 0.040, 1.0), (1.20, 0.40, 0.036, 1.0),
)  # fmt: skip
# The same for the great swirls of the wind, which have no light of their own.
SWIRLS = ((0.52, 0.30, 0.15, 1.0), (0.77, 0.39, 0.10, -1.0))
# x, y of the foot, width and wall height of each house.
HOUSES = (
    (0.59, 0.735, 0.080, 0.046), (0.76, 0.730, 0.080, 0.046), (0.67, 0.775, 0.095, 0.056),
    (0.86, 0.765, 0.085, 0.050), (0.53, 0.795, 0.080, 0.048), (0.775, 0.810, 0.095, 0.056),
)  # fmt: skip
# x, y of the foot, height and half width of each poplar.
POPLARS = ((0.295, 0.94, 0.36, 0.040), (0.205, 0.96, 0.53, 0.052), (0.115, 0.97, 0.33, 0.038))


@dataclass
class Scene:
    """What the brush is to follow: the wanted colour and the stream function."""

    color: Array
    stream: Array

    def cover(self, mask: NDArray[np.bool_], color: Array, stream: Array) -> None:
        """Puts a nearer thing in front of what is there."""
        self.color = np.where(mask[..., None], color, self.color)
        self.stream = np.where(mask, stream, self.stream)


def _sky(frame: Frame, rng: np.random.Generator) -> Scene:
    """The wind, its vortices, and the colours they carry."""
    x, y = frame.grid()
    stream = y + 0.055 * np.sin(4.6 * x + 1.2) + 0.028 * frame.noise(rng, 0.22, 2)
    spiral = np.zeros_like(x)
    for cx, cy, radius, spin in (*SWIRLS, *LIGHTS):
        r = np.hypot(x - cx, y - cy) / radius
        # The wind dies down near a vortex, so that the strokes close into rings around it.
        still = sample(stream, np.array([cx, cy]) * frame.height)
        stream += np.exp(-((r / 1.9) ** 2)) * (still - stream)
        stream += 2.0 * spin * radius * np.exp(-r / 1.1)
    for cx, cy, _, spin in SWIRLS:
        spiral += spin * np.arctan2(y - cy, x - cx)

    depth = np.clip(y / 0.66, 0, 1) ** 1.1 * 0.62 + 0.09 * frame.noise(rng, 0.3)
    bands = 0.5 + 0.5 * np.sin(stream * 85 + spiral + 1.3 * frame.noise(rng, 0.2))
    color = ramp(np.clip(depth + 0.5 * (bands - 0.5), 0, 1), PALETTE[:7])
    for cx, cy, radius, _ in SWIRLS:
        r = np.hypot(x - cx, y - cy) / radius
        color = mix(color, PALE, 0.8 * np.exp(-(r**2)) * bands)
        color = mix(color, CREAM, 0.7 * np.exp(-((r / 0.45) ** 2)) * bands)
    for cx, cy, radius, _ in LIGHTS:
        r = np.hypot(x - cx, y - cy) / radius
        rings = 0.5 + 0.5 * np.cos(r * 2 * np.pi / 0.42)
        color = mix(color, PALE, np.exp(-((r / 1.75) ** 4)) * (0.35 + 0.5 * rings))
        gold = mix(np.broadcast_to(YELLOW, color.shape), ORANGE, 0.85 * (1 - rings))
        ragged = r + 0.22 * frame.noise(rng, 0.05)
        color = mix(color, gold, 0.8 * smoothstep(0.2, 0.9, rings) * smoothstep(2.0, 1.5, ragged))
        color = mix(color, gold, smoothstep(1.15, 0.85, ragged))
        color = mix(color, CREAM, smoothstep(0.5, 0.36, r))
    return Scene(color, stream)


def _hills(scene: Scene, frame: Frame, rng: np.random.Generator) -> None:
    """Three ridges, far to near: blue woods, a patchwork of fields, wheat."""
    x, y = frame.grid()
    ridges = (
        0.600 + 0.055 * np.sin(4.3 * x + 0.2) + 0.016 * np.sin(11 * x),
        0.700 + 0.050 * np.sin(3.5 * x + 2.4) + 0.010 * np.sin(9 * x + 1),
        0.860 + 0.070 * np.sin(2.9 * x + 4.6),
    )
    tones = (
        PALETTE[[0, 1, 2, 3, 4]],
        PALETTE[[12, 13, 14, 15, 9]],
        PALETTE[[12, 13, 15, 10, 9, 8]],
    )
    for number, (ridge, tone) in enumerate(zip(ridges, tones, strict=True)):
        inside = y - ridge
        slant = (0.3 + 0.25 * number) * np.sin((3.0 + number) * x + 2 * number)
        stream = inside * (1 + slant) + 0.010 * frame.noise(rng, 0.2, 2)
        furrows = 0.5 + 0.5 * np.sin(stream * (150 - 25 * number))
        patches = frame.noise(rng, 0.13)
        light = 0.5 * np.exp(-inside / 0.025) + 0.34 * furrows + 0.2 * patches + 0.2
        color = ramp(np.clip(light - (0.3 if number == 0 else 0), 0, 1), tone)
        scene.cover(inside > 0, color, stream)


def _village(scene: Scene, frame: Frame) -> None:
    """Houses in the valley, their windows lit, around a chapel's spire."""
    x, y = frame.grid()
    spire = np.abs(x - 0.685) < 0.02 * np.clip((y - 0.56) / 0.10, 0, 0.9)
    scene.cover(spire & (y < 0.74), np.where((y < 0.66)[..., None], NIGHT, SKY), x)
    for cx, foot, width, height in HOUSES:
        up = foot - y
        wall = (np.abs(x - cx) < width / 2) & (up > 0) & (up < height)
        lit = np.where((x < cx - 0.1 * width)[..., None], PALE, PALETTE[2])
        scene.cover(wall, lit, x)
        over = (up - height) / (0.8 * height)
        roof = (over > 0) & (over < 1) & (np.abs(x - cx) < width * (0.62 - 0.36 * over))
        scene.cover(roof, np.where((x < cx)[..., None], RUST, SIENNA), y + 0.9 * np.abs(x - cx))
        for side in (-0.26, 0.2):
            window = np.maximum(np.abs(x - cx - side * width) / 0.0085, np.abs(up - 0.022) / 0.011)
            scene.cover(window < 1, YELLOW, x)


def _poplars(scene: Scene, frame: Frame, rng: np.random.Generator) -> None:
    """Flames of dark green, licked by the wind."""
    x, y = frame.grid()
    for cx, foot, height, half in POPLARS:
        up = (foot - y) / height
        sway = cx + 0.010 * np.sin(6 * up + 10 * cx)
        outline = half * np.clip(up * 5, 0, 1) ** 0.5 * np.clip(1 - up, 0, 1) ** 0.7
        outline = outline * (1 + 0.16 * frame.noise(rng, 0.03))
        across = (x - sway) / (outline + 1e-9)
        stream = (x - sway) * (1 + 0.6 * up) + 0.006 * frame.noise(rng, 0.07)
        light = 0.36 + 0.3 * across + 0.28 * np.sin(stream * 330 + 2 * frame.noise(rng, 0.1))
        color = ramp(np.clip(light, 0, 1), PALETTE[[0, 12, 13, 14, 15]])
        scene.cover((np.abs(across) < 1) & (up > 0) & (up < 1), color, stream)


def paint(size: int) -> Image.Image:
    """Paints the picture, `size` pixels on its longer side."""
    rng = np.random.default_rng(1889)
    frame = Frame.of(size, 1.25)
    scene = _sky(frame, rng)
    _hills(scene, frame, rng)
    _village(scene, frame)
    _poplars(scene, frame, rng)

    px = frame.px
    direction = direction_of(scene.stream)
    wet = Paint.primed(frame, PALETTE[2])
    detail = np.linalg.norm(scene.color - soften(scene.color, 5), axis=2)
    for brush, spacing, tolerance, pull, least in (
        (Brush(20 * px, 140 * px), 16 * px, np.inf, 0.6, 0.0),
        (Brush(13 * px, 90 * px), 12 * px, 0.42, 0.55, 0.0),
        (Brush(9 * px, 60 * px, load=1.25), 9.5 * px, 0.32, 0.5, 0.0),
        (Brush(6 * px, 42 * px, load=1.4), 7.5 * px, 0.25, 0.4, 0.0),
        (Brush(4.5 * px, 22 * px, load=1.4), 3.5 * px, 0.20, 0.3, 0.1),
    ):
        centres = jittered(frame, spacing, rng)
        centres = centres[sample(detail, centres) >= least]
        wanted = sample(scene.color, centres)
        pigment = nearest_pigment(wanted, PALETTE, rng, 0.05)
        colors = wanted + pull * (pigment - wanted)
        colors += 0.025 * rng.standard_normal((len(colors), 1))
        paths = trace(direction, centres, brush.length, 4 * px)
        for path, color in zip(trim(paths, scene.color, tolerance), colors, strict=True):
            lay(wet, path, color, brush, rng)
    return to_image(raking_light(wet.color, soften(wet.relief), 2.4, gloss=0.14))
