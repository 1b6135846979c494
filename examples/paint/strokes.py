"""Bristle brush strokes that follow a direction field and leave relief behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .canvas import Array, Frame

SAMPLE = 0.7  # spacing of a stroke's samples in pixels: below 1/sqrt(2), so none is missed
TUFT = 4.5  # width in pixels of the bristles that hold together
WARMTH = np.array([1.0, 0.92, 0.75])  # a brighter bristle is a warmer one


@dataclass
class Paint:
    """Wet paint on the canvas: (H, W, 3) colour and (H, W) thickness, both painted in place."""

    color: Array
    relief: Array

    @classmethod
    def primed(cls, frame: Frame, ground: Array) -> Paint:
        """A canvas of one ground colour."""
        shape = (frame.height, frame.width)
        return cls(np.broadcast_to(ground, (*shape, 3)).copy(), np.zeros(shape))


@dataclass(frozen=True)
class Brush:
    """How one layer of strokes is laid. Lengths are in supersampled pixels."""

    width: float
    length: float
    load: float = 1.0  # thickness of the paint
    streak: float = 0.07  # colour variation from bristle to bristle


def direction_of(stream: Array) -> Array:
    """The unit curl (H, W, 2) of a stream function: strokes run along its level lines."""
    dy, dx = np.gradient(stream)
    length = np.hypot(dx, dy) + 1e-12
    return np.stack([dy / length, -dx / length], axis=-1)


def jittered(frame: Frame, spacing: float, rng: np.random.Generator) -> Array:
    """Points (n, 2) as x, y, one somewhere in each cell of a grid, in random order.

    The grid reaches one cell beyond the frame, so that the corners get their share of paint.
    """
    rows, columns = int(frame.height / spacing) + 3, int(frame.width / spacing) + 3
    cells = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    points = (cells - 1 + rng.random(cells.shape)) * spacing
    rng.shuffle(points)
    return points


def sample(image: Array, points: Array) -> Array:
    """The image's values at the pixels under the points, clamped to the frame."""
    x = np.clip(points[..., 0].astype(int), 0, image.shape[1] - 1)
    y = np.clip(points[..., 1].astype(int), 0, image.shape[0] - 1)
    return np.asarray(image[y, x])


def trace(direction: Array, centres: Array, length: float, step: float) -> Array:
    """Follows the field both ways from the centres: paths (n, steps, 2)."""
    halves = []
    for sign in (-1.0, 1.0):
        points, half = centres.copy(), []
        for _ in range(max(2, round(length / 2 / step))):
            points = points + sign * step * sample(direction, points)
            half.append(points)
        halves.append(half)
    return np.stack([*halves[0][::-1], centres, *halves[1]], axis=1)


def trim(paths: Array, scene: Array, tolerance: float) -> Iterator[Array]:
    """Cuts each path (steps, 2) where the scene's colour leaves that of the stroke's centre.

    After Hertzmann 1998: strokes stay long in even areas and turn short along outlines.
    """
    centre = paths.shape[1] // 2
    seen = sample(scene, paths)
    alike = np.linalg.norm(seen - seen[:, centre : centre + 1], axis=2) < tolerance
    for path, same in zip(paths, alike, strict=True):
        before = np.argmin(same[centre::-1]) if not same[: centre + 1].all() else centre + 1
        after = np.argmin(same[centre:]) if not same[centre:].all() else len(path) - centre
        yield path[centre - max(int(before) - 1, 1) : centre + max(int(after), 2)]


def _ribbon(along: Array, across: Array, span: Array, path: Array) -> Array:
    """Sample positions (along, across, 2) of a stroke that swells from its tip and tapers off."""
    spine = np.stack([np.interp(along, span, path[:, i]) for i in (0, 1)], axis=-1)
    tangent = np.gradient(spine, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-12
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=-1)
    t = along / span[-1]
    body = np.minimum(1, 0.35 + 0.75 * np.sqrt(np.clip(np.minimum(5 * t, 3.5 * (1 - t)), 0, 1)))
    return np.asarray(spine[:, None] + normal[:, None] * (body[:, None] * across)[..., None])


def lay(paint: Paint, path: Array, color: Array, brush: Brush, rng: np.random.Generator) -> None:
    """Lays one stroke along `path` (steps, 2): bristles, ragged ends, and a crown of paint.

    The stroke is a ribbon sampled along and across, whose samples are scattered onto the canvas.
    """
    span = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    length = span[-1]
    along = np.arange(0, length, SAMPLE)
    across = np.arange(0, brush.width + SAMPLE, SAMPLE, dtype=np.float64) - brush.width / 2
    ribbon = _ribbon(along, across, span, path)

    tufts = max(3, round(brush.width / TUFT))
    at, knots = np.linspace(0, tufts - 1, len(across)), np.arange(tufts)
    # By tuft: paint taken up, tint, and where it touches down and lifts.
    load, tint, start, end = (np.interp(at, knots, n) for n in rng.standard_normal((4, tufts)))
    first = 0.5 * brush.width * np.abs(start)
    last = length - 0.6 * brush.width * np.abs(end) - 0.35 * length * np.clip(-0.5 - load, 0, 1)
    edge = 2 * np.abs(across) / brush.width
    ends = np.minimum(along[:, None] - first, last - along[:, None]) / 3
    cover = np.clip(np.minimum(ends, (1.04 - edge) * brush.width / 4), 0, 1)

    spent = (along / length)[:, None]
    shade = brush.streak * (tint + 0.5 * load * (1 - spent))
    tinted = color + shade[..., None] * WARMTH
    crown = (1 - 0.7 * edge**4) * (0.8 + 0.28 * load) * (1.15 - 0.5 * spent) * brush.load

    x, y = ribbon[..., 0].astype(int), ribbon[..., 1].astype(int)
    height, width = paint.relief.shape
    seen = (cover > 0) & (ribbon >= 0).all(axis=2) & (x < width) & (y < height)
    x, y, cover = x[seen], y[seen], cover[seen]
    paint.color[y, x] += (tinted[seen] - paint.color[y, x]) * cover[:, None]
    # A third of what lies beneath shows through the new paint's thickness.
    paint.relief[y, x] += (crown[seen] - 0.65 * paint.relief[y, x]) * cover


def dab(paint: Paint, centre: Array, radii: Array, angle: float, color: Array) -> None:
    """Presses one oval touch of paint onto the canvas; lengths in supersampled pixels."""
    reach = int(radii.max()) + 2
    x0, y0 = (int(c) - reach for c in centre)
    rows = slice(max(y0, 0), max(y0 + 2 * reach + 1, 0))
    columns = slice(max(x0, 0), max(x0 + 2 * reach + 1, 0))
    height, width = paint.relief[rows, columns].shape
    dx = np.arange(columns.start, columns.start + width)[None] + 0.5 - centre[0]
    dy = np.arange(rows.start, rows.start + height)[:, None] + 0.5 - centre[1]
    c, s = np.cos(angle), np.sin(angle)
    r = np.hypot((c * dx + s * dy) / radii[0], (c * dy - s * dx) / radii[1])
    cover = np.clip((1 - r) * radii.min(), 0, 1)
    paint.color[rows, columns] += (color - paint.color[rows, columns]) * cover[..., None]
    dome = np.sqrt(np.clip(1 - r * r, 0, 1))
    paint.relief[rows, columns] += cover * (dome - 0.7 * paint.relief[rows, columns])
