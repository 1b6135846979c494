"""`hatching`: a lighthouse in a swell, as an etching in sepia on cream paper.

Each area has its own family of lines, the level lines of a function; the line swells with the tone
as a burin's does. Darker tones add a second, third and fourth family across the first.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from .canvas import Array, Frame, mix, rgb, smoothstep, to_image
from .cells import voronoi

PAPER = rgb("f3e8cf")[0]
INK = rgb("2c1c14")[0]
LAMP = (0.50, 0.245)
SEA = 0.70
# The tower from the cap down: y of top and bottom, radius at each, darkness of the stone.
TOWER = (
    (0.175, 0.215, 0.004, 0.036, 0.55), (0.215, 0.270, 0.030, 0.030, -0.6),
    (0.270, 0.285, 0.052, 0.050, 0.35), (0.285, 0.300, 0.038, 0.042, 0.2),
    (0.300, 0.390, 0.042, 0.048, 0.0), (0.390, 0.470, 0.048, 0.054, 0.5),
    (0.470, 0.550, 0.054, 0.061, 0.0), (0.550, 0.630, 0.061, 0.069, 0.5),
    (0.630, 0.745, 0.069, 0.082, 0.0),
)  # fmt: skip
# x, y of the middle of the base, half length and height of each cloud.
CLOUDS = ((0.12, 0.56, 0.17, 0.19), (0.30, 0.635, 0.11, 0.07), (0.75, 0.62, 0.13, 0.14))


class Plate:
    """The drawing in progress: tone, and the function whose level lines are the hatching."""

    def __init__(self, frame: Frame, rng: np.random.Generator) -> None:
        """A clean plate."""
        self.frame, self.rng = frame, rng
        self.x, self.y = frame.grid()
        self.tone = np.zeros_like(self.x)
        self.lines = np.zeros_like(self.x)
        self.outline = np.zeros_like(self.x)

    def draw(self, inside: Array, tone: Array, lines: Array, contour: Array | float = 0.9) -> None:
        """Lays an area over what is there; `inside` is a signed distance, in picture heights."""
        away = inside * self.frame.height / self.frame.px
        mask = away > 0
        self.tone = np.where(mask, tone, self.tone)
        self.lines = np.where(mask, lines, self.lines)
        self.outline = np.where(mask, 0, self.outline)
        swell = contour * (1 + 0.4 * self.frame.noise(self.rng, 0.05))
        rim = smoothstep(0.4, -0.4, np.abs(away) - swell) * (swell > 0.15)
        self.outline = np.maximum(self.outline, rim)

    def family(self, lines: Array, spacing: float, darkness: Array) -> Array:
        """Ink of the level lines of `lines`, `spacing` pixels apart where its slope is one."""
        frame = self.frame
        k = lines * frame.height / frame.px / spacing
        dy, dx = np.gradient(k)
        slope = np.hypot(dx, dy) * frame.px
        # A jump of the function between areas is an edge, not a bundle of lines.
        smooth = smoothstep(3.2, 2.4, slope * spacing)
        away = np.abs(k - np.round(k)) / (slope + 1e-9)
        pressure = self.rng.uniform(0.7, 1.2, 4096)[np.round(k).astype(int) % 4096]
        pressure = pressure * (1 + 0.25 * frame.noise(self.rng, 0.04, 2))
        half = np.clip(darkness * pressure, 0, 1) * 0.42 / np.maximum(slope, 0.5 / spacing)
        ink = smoothstep(0.45, -0.45, away - half)
        return np.asarray(ink * smooth * smoothstep(0.04, 0.09, darkness * pressure))


def _sky(plate: Plate) -> None:
    """Lines bent around the lamp, darker away from it, parted by the two beams."""
    x, y = plate.x - LAMP[0], plate.y - LAMP[1]
    r = np.hypot(x, y)
    tone = 0.14 + 0.62 * smoothstep(0.05, 0.6, r) - 0.25 * smoothstep(0.45, 0.7, plate.y)
    for angle in (np.pi - 0.22, 0.16):
        off = np.abs((np.arctan2(y, x) - angle + np.pi) % (2 * np.pi) - np.pi)
        tone = tone * (1 - 0.85 * smoothstep(0.17, 0.10, off) * np.exp(-r * 0.9))
    plate.tone, plate.lines = tone, r + 0.012 * plate.frame.noise(plate.rng, 0.25)
    for cloud in CLOUDS:
        _cloud(plate, *cloud)


def _cloud(plate: Plate, cx: float, base: float, half: float, height: float) -> None:
    """Billows heaped on a flat base, back to front; only their upper rims are outlined."""
    rng, ragged = plate.rng, 1 + 0.05 * plate.frame.noise(plate.rng, 0.03, 2)
    across = rng.uniform(-1, 1, 34)
    up = np.sort(rng.random(34))[::-1] * (1 - np.abs(across) ** 1.6)
    for u, v in zip(across, up, strict=True):
        radius = rng.uniform(0.5, 1.0) * (0.062 - 0.034 * abs(u)) * half / 0.15
        x = (plate.x - cx - u * half) / radius
        y = (plate.y - base + v * (height - radius)) / radius
        d = np.hypot(x, y) * ragged
        tone = 0.85 * smoothstep(-0.7, 1.5, y + 0.5 * x) * (1.25 - 0.85 * v)
        inside = np.minimum((1 - d) * radius, base + 0.012 - plate.y)
        # Arcs struck from a point above the billow: they hang like its own lower edge.
        arcs = radius * np.hypot(x + 0.5, y + 1.2)
        plate.draw(inside, np.clip(tone, 0, 0.8), arcs, 0.75 * smoothstep(0.3, -0.5, y + 0.3 * x))


def _sea(plate: Plate) -> None:
    """Swell in perspective: lines crowd towards the horizon, crests are left white."""
    x, y, frame, rng = plate.x, plate.y, plate.frame, plate.rng
    depth = np.clip((y - SEA) / (1 - SEA), 1e-3, 1)
    swell = 0.02 * depth * np.sin(9 * x / (0.35 + depth) + 3 * frame.noise(rng, 0.3))
    chop = 0.006 * depth * frame.noise(rng, 0.06, 2)
    waves = np.sin(26 * np.sqrt(depth) + 2.2 * np.sin(3.2 * x + 5 * depth) + frame.noise(rng, 0.2))
    tone = 0.40 + 0.28 * waves + 0.22 * depth**2
    glitter = np.exp(-(((x - LAMP[0]) / (0.05 + 0.18 * depth)) ** 2))
    tone = np.clip(tone - 0.35 * glitter, 0.03, 0.9)
    plate.draw(y - SEA, tone, y + 1.6 * swell + chop, 0.8)


def _rocks(plate: Plate) -> None:
    """Facets, each with its own light and its own direction of hatching."""
    x, y, frame, rng = plate.x, plate.y, plate.frame, plate.rng
    seeds = rng.random((110, 2)) * [0.80, 0.28] + [0.0, 0.69]
    bent = [axis + 0.006 * frame.noise(rng, 0.05, 2) for axis in (x, y)]
    facet, edge = voronoi(np.stack(bent, axis=-1).reshape(-1, 2), seeds)
    facet, edge = facet.reshape(x.shape), edge.reshape(x.shape)
    angle = rng.uniform(0.6, 2.3, len(seeds))[facet]
    lit = rng.uniform(0.3, 0.8, len(seeds))[facet] + 0.3 * (x - 0.48) + 1.2 * (y - 0.79)
    lines = np.cos(angle) * x + np.sin(angle) * y + 0.003 * frame.noise(rng, 0.08)
    top = 0.735 + 0.9 * np.abs(x - 0.5) ** 1.7 + 0.014 * frame.noise(rng, 0.09, 3)
    foot = 0.905 - 0.34 * np.abs(x - 0.5) + 0.010 * frame.noise(rng, 0.06, 2)
    inside = np.minimum(y - top, foot - y)
    tone = np.clip(lit + 0.5 * smoothstep(0.006, 0.0, edge), 0.22, 1)
    plate.draw(inside, tone, lines, 1.2)


def _tower(plate: Plate) -> None:
    """Rings of masonry seen from below, lit from the left."""
    x, y = plate.x - LAMP[0], plate.y
    for top, bottom, above, below, stone in TOWER:
        radius = above + (below - above) * np.clip((y - top) / (bottom - top), 0, 1)
        across = np.clip(x / radius, -1, 1)
        facing = np.sqrt(1 - across**2)
        tone = np.clip(0.62 - 0.75 * (0.75 * facing - 0.65 * across) + stone, 0.02, 0.95)
        inside = np.minimum(radius - np.abs(x), np.minimum(y - top, bottom - y))
        plate.draw(inside, tone, y - 0.25 * radius * facing)
    for bar in (-0.018, 0.0, 0.018):
        inside = np.minimum(0.0016 - np.abs(x - bar), 0.0275 - np.abs(y - 0.2425))
        plate.draw(inside, np.ones_like(x), y)
    for cy in (0.345, 0.51, 0.68):
        inside = np.minimum(0.009 - np.abs(x + 0.012), 0.017 - np.abs(y - cy))
        plate.draw(inside, np.full_like(x, 0.95), plate.y)


def paint(size: int) -> Image.Image:
    """Paints the picture, `size` pixels on its longer side."""
    rng = np.random.default_rng(1630)
    frame = Frame.of(size, 0.8)
    plate = Plate(frame, rng)
    _sky(plate)
    _sea(plate)
    _rocks(plate)
    _tower(plate)

    x, y, tone = plate.x, plate.y, plate.tone
    wobble = 0.0025 * frame.noise(rng, 0.12, 2)
    ink = plate.family(plate.lines + 0.4 * wobble, 5.2, np.clip(tone * 1.15, 0, 1))
    crossings = ((0.8, 0.6, 0.34), (-0.7, 0.7, 0.55), (0.1, 1.0, 0.72))
    for cx, cy, threshold in crossings:
        darkness = np.clip((tone - threshold) * 1.3, 0, 1)
        ink = np.maximum(ink, plate.family(cx * x + cy * y + wobble, 5.2, darkness))
    ink = np.maximum(ink, plate.outline)
    paper = (
        PAPER * (1 + 0.006 * frame.noise(rng, 0.02, 2) - 0.015 * frame.noise(rng, 0.5))[..., None]
    )
    margin = np.minimum(np.minimum(x, frame.width / frame.height - x), np.minimum(y, 1 - y))
    bite = smoothstep(0.022, 0.026, margin + 0.0015 * frame.noise(rng, 0.03, 2))
    strength = 0.93 + 0.07 * np.clip(frame.noise(rng, 0.02), -1, 1)
    return to_image(mix(paper, INK, np.clip(ink * bite * strength, 0, 1)))
