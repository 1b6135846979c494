"""`woodblock`: breaking waves under a red sun, printed from wood in a few flat inks.

After the Japanese prints: graded washes (bokashi), an indigo key block for the outlines, the grain
of the blocks, and colours a little out of register with the key.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from .canvas import Array, Frame, mix, ramp, rgb, smoothstep, to_image

PAPER, KEY, FOAM, SNOW = rgb("f0e3c4", "17264d", "f7f0de", "f4ecd8")
SKY = rgb("27548a", "a9c6c4", "f0e3c4", "f3cd9a", "e79a6c")
SEA = rgb("a9cfce", "5f9fc0", "2a6aa6", "174a88", "123667")
SUN = (1.02, 0.27, 0.125)  # x, y, radius
PEAK = (0.40, 0.335)  # x and y of the mountain's summit
BARS = (  # x, y and half length of the bars of mist
    (0.14, 0.500, 0.20), (0.25, 0.478, 0.12), (0.60, 0.455, 0.13), (0.70, 0.477, 0.15),
    (1.06, 0.470, 0.20), (1.22, 0.448, 0.15),
)  # fmt: skip


@dataclass(frozen=True)
class Swell:
    """One row of waves: lengths in picture heights, the phase in wave lengths."""

    base: float
    length: float
    height: float
    lean: float
    phase: float


SWELLS = (
    Swell(0.615, 0.21, 0.050, 0.6, 0.30),
    Swell(0.690, 0.36, 0.105, 1.0, 0.62),
    Swell(0.800, 0.78, 0.300, 0.95, 0.80),
    Swell(0.905, 0.52, 0.150, 1.05, 0.20),
    Swell(1.010, 0.60, 0.120, 1.0, 0.78),
)


class Print:
    """The sheet in progress: the colour blocks, and the key block's coverage."""

    def __init__(self, frame: Frame, rng: np.random.Generator) -> None:
        """A blank sheet."""
        self.frame, self.rng = frame, rng
        self.x, self.y = frame.grid()
        self.hair = frame.px / frame.height  # one final pixel, in picture heights
        self.color = np.broadcast_to(PAPER, (*self.x.shape, 3))
        self.key = np.zeros_like(self.x)

    def cut(self, inside: Array) -> Array:
        """Coverage of the area where the signed distance `inside` is positive."""
        return smoothstep(-0.5 * self.hair, 0.5 * self.hair, inside)

    def line(self, distance: Array, width: float) -> Array:
        """Coverage of a cut line, `width` final pixels wide, swelling like a knife's."""
        swell = width * self.hair * (1 + 0.3 * self.frame.noise(self.rng, 0.06))
        return self.cut(swell / 2 - np.abs(distance))

    def stamp(self, inside: Array, color: Array, outline: float = 1.6) -> None:
        """Prints an area over what is there, with its outline on the key block."""
        cover = self.cut(inside)
        self.color = mix(self.color, color, cover)
        self.key = self.key * (1 - cover)
        if outline:
            self.key = np.maximum(self.key, self.line(inside, outline))


def _sky(sheet: Print) -> None:
    """Graded sky, sun, mountain and bars of mist."""
    x, y, frame, rng = sheet.x, sheet.y, sheet.frame, sheet.rng
    sheet.color = ramp(y / 0.6, SKY, (0, 0.25, 0.55, 0.8, 1))
    disc = SUN[2] - np.hypot(x - SUN[0], y - SUN[1])
    sheet.stamp(disc, ramp((y - 0.14) / 0.26, rgb("b9261c", "e0603a")), outline=0)
    rough = 0.004 * frame.noise(rng, 0.04, 2)
    slope = PEAK[1] + 0.56 * (np.hypot(x - PEAK[0], 0.03) - 0.03) ** 0.9 + rough
    flank = ramp((y - PEAK[1]) / 0.25, rgb("3f5f86", "6f8fa6", "c9cdb8"))
    sheet.stamp(y - slope, flank)
    teeth = 0.055 + 0.03 * np.abs((x * 26 + 0.6 * frame.noise(rng, 0.05)) % 2 - 1)
    sheet.stamp(np.minimum(y - slope, PEAK[1] + teeth - y), SNOW, outline=1.2)
    for cx, cy, half in BARS:
        along = np.maximum(np.abs(x - cx) - half, 0)
        sheet.stamp(0.011 - np.hypot(along, y - cy), FOAM, outline=1.1)


def _wave(sheet: Print, swell: Swell) -> None:
    """A row of waves that lean over as they rise, ribbed along their own contour."""
    frame, rng = sheet.frame, sheet.rng
    rise = swell.base - sheet.y
    lifted = np.clip(rise / swell.height, 0, 1.3)
    u = (sheet.x - swell.lean * swell.height * lifted**2.2) / swell.length + swell.phase
    off = 1 - np.abs(2 * (u % 1) - 1)  # from 0 at the crests to 1 in the troughs
    s = np.clip(1 - np.hypot(off, 0.09), 0, 1)  # rounded: a cusp would end in a sliver
    depth = swell.height * s**2.4 - rise
    dy, dx = np.gradient(depth, 1 / frame.height)
    near = depth / np.maximum(np.hypot(dx, dy), 0.7)  # to first order, the distance to the crest
    claws = np.abs(np.sin(62 * (sheet.x + 0.9 * sheet.y) + 0.9 * frame.noise(rng, 0.06)))
    steep = smoothstep(0.2, 0.75, lifted)
    outer = near + 0.012 * claws * steep
    tone = ramp(depth / (0.55 * swell.height + 0.06), SEA)
    sheet.stamp(outer, tone, outline=2.0)

    rib = 0.026 * (0.5 + swell.height / 0.2)
    k = (depth + 0.003 * frame.noise(rng, 0.08)) / rib
    stripe = smoothstep(0.40, 0.44, k % 1) * smoothstep(1.0, 0.96, k % 1) * (depth > rib)
    sheet.color = mix(sheet.color, tone * 0.72, stripe * sheet.cut(depth))
    groove = sheet.line((k - np.round(k)) * rib, 1.3) * (depth > 1.5 * rib)
    sheet.key = np.maximum(sheet.key, groove * 0.9)

    fingers = 0.005 + 0.026 * steep * (0.25 + claws) * (0.5 + swell.height / 0.3)
    sheet.stamp(np.minimum(outer, fingers - near), FOAM, outline=1.4)


def _spray(sheet: Print, swell: Swell) -> None:
    """Drops thrown from the crests."""
    rng, frame = sheet.rng, sheet.frame
    mask = Image.new("L", (frame.width, frame.height))
    pen = ImageDraw.Draw(mask)
    for crest in range(4):
        tip = (crest - swell.phase) * swell.length + 0.9 * swell.lean * swell.height
        drops = rng.normal(0, 1, (30, 2)) * np.array([0.24, 0.13]) * swell.height
        drops += [tip, swell.base - swell.height]
        for x, y in drops * frame.height:
            r = rng.uniform(0.0016, 0.0048) * frame.height
            pen.ellipse((x - r, y - r, x + r, y + r), fill=255)
    cover = np.asarray(mask) / 255
    sheet.color, sheet.key = mix(sheet.color, FOAM, cover), sheet.key * (1 - cover)


def paint(size: int) -> Image.Image:
    """Prints the picture, `size` pixels on its longer side."""
    rng = np.random.default_rng(1831)
    frame = Frame.of(size, 4 / 3)
    sheet = Print(frame, rng)
    _sky(sheet)
    for swell in SWELLS:
        _wave(sheet, swell)
        _spray(sheet, swell)

    shift = round(1.2 * frame.px)
    color = np.roll(sheet.color, (shift, -shift), axis=(0, 1))
    rings = 70 * sheet.y + 3.0 * frame.noise(rng, 0.6) + 0.5 * frame.noise(rng, 0.15)
    grain = np.sin(2 * np.pi * rings) * (0.6 + 0.4 * frame.noise(rng, 0.2))
    worn = smoothstep(1.4, 2.8, frame.noise(rng, 0.007) + 0.4 * grain)
    color = mix(color * (1 + 0.035 * grain[..., None]), PAPER, 0.14 * worn)
    color = mix(color, KEY, sheet.key * (1 - 0.25 * worn))
    edge = np.minimum(
        np.minimum(sheet.x, frame.width / frame.height - sheet.x), np.minimum(sheet.y, 1 - sheet.y)
    )
    return to_image(mix(np.broadcast_to(PAPER, color.shape), color, sheet.cut(edge - 0.022)))
