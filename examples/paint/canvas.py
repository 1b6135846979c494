"""What every picture shares: the surface, smooth noise, colour mixing and raking light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.float64]

SUPERSAMPLING = 2  # painted at twice the size, then reduced: anti-aliasing for every technique


def rgb(*hexes: str) -> Array:
    """Colours written as "rrggbb", as an (n, 3) array in [0, 1]."""
    return np.array([list(bytes.fromhex(h)) for h in hexes], dtype=np.float64) / 255


@dataclass(frozen=True)
class Frame:
    """The picture's geometry. Pixel lengths are stated for a 768-pixel picture, then scaled."""

    height: int
    width: int

    @classmethod
    def of(cls, size: int, aspect: float) -> Frame:
        """A supersampled frame whose longer side, once reduced, is `size` pixels."""
        longer = size * SUPERSAMPLING
        shorter = round(size / max(aspect, 1 / aspect)) * SUPERSAMPLING
        return cls(shorter, longer) if aspect >= 1 else cls(longer, shorter)

    @property
    def px(self) -> float:
        """Supersampled pixels per pixel of a 768-pixel picture."""
        return max(self.height, self.width) / 768

    def grid(self) -> tuple[Array, Array]:
        """The x and y of every pixel; y runs from 0 at the top to 1, x with the same unit."""
        y, x = np.mgrid[: self.height, : self.width] + 0.5
        return x / self.height, y / self.height

    def noise(self, rng: np.random.Generator, cell: float, octaves: int = 1) -> Array:
        """Smooth value noise of about unit variance; features are `cell` picture heights wide."""
        total = np.zeros((self.height, self.width))
        for octave in range(octaves):
            step = cell * self.height / 2**octave
            shape = (int(self.height / step) + 4, int(self.width / step) + 4)
            coarse = Image.fromarray(rng.standard_normal(shape).astype(np.float32))
            shift = rng.random(2)
            box = (*(1 + shift), *(1 + shift + np.array([self.width, self.height]) / step))
            fine = coarse.resize((self.width, self.height), Image.Resampling.BICUBIC, box)
            total += np.asarray(fine, dtype=np.float64) / 2**octave
        return total * 1.4


def smoothstep(low: Array | float, high: Array | float, value: Array) -> Array:
    """0 up to `low`, 1 from `high` on, smooth between; falling where `low` exceeds `high`."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mix(a: Array, b: Array, weight: Array) -> Array:
    """Colour `a` towards `b`; `weight` has the picture's shape without its channels."""
    return a + (b - a) * weight[..., None]


def ramp(value: Array, colors: Array, stops: Sequence[float] | None = None) -> Array:
    """Maps `value` in [0, 1] through the colours, evenly spaced unless `stops` are given."""
    at = np.linspace(0, 1, len(colors)) if stops is None else np.asarray(stops)
    return np.stack([np.interp(value, at, colors[:, c]) for c in range(3)], axis=-1)


def soften(image: Array, times: int = 1) -> Array:
    """A binomial blur, three taps wide, applied `times` times along both axes."""
    for _ in range(times):
        for axis in (0, 1):
            pad = [(1, 1) if a == axis else (0, 0) for a in range(image.ndim)]
            p = np.swapaxes(np.pad(image, pad, mode="edge"), 0, axis)
            image = np.swapaxes((p[:-2] + 2 * p[1:-1] + p[2:]) / 4, 0, axis)
    return image


def raking_light(color: Array, relief: Array, strength: float, gloss: float = 0.0) -> Array:
    """Lights the relief from the upper left; `gloss` adds a wet highlight on the lit flanks."""
    dy, dx = np.gradient(relief)
    slope = np.tanh((dx + dy) * strength)
    lit = color * (1 + 0.38 * slope[..., None])
    shine = gloss * np.clip(slope - 0.45, 0, 1)
    return np.asarray(lit + shine[..., None])


def nearest_pigment(
    wanted: Array, palette: Array, rng: np.random.Generator, spread: float
) -> Array:
    """For each wanted colour (n, 3), a palette colour near it; `spread` loosens the choice."""
    distance = np.linalg.norm(wanted[:, None] - palette[None], axis=2)
    distance += spread * rng.gumbel(size=distance.shape)
    return np.asarray(palette[np.argmin(distance, axis=1)])


def to_image(color: Array) -> Image.Image:
    """Reduces the supersampled picture to its final size."""
    pixels = (np.clip(color, 0, 1) * 255 + 0.5).astype(np.uint8)
    full = Image.fromarray(pixels)
    size = (full.width // SUPERSAMPLING, full.height // SUPERSAMPLING)
    return full.resize(size, Image.Resampling.LANCZOS)
