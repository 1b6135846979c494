"""The coarse-to-fine schedule: sizes, and the number of steps at each."""

from __future__ import annotations

from dataclasses import dataclass

from vangram.settings.recipe import Recipe

COARSEST = 256
"""Longer side of the first level in pixels: at least this, less than twice as much."""
COARSE_STEPS_DIVISOR = 4
"""Levels before the last take this many times fewer steps: they lay out large shapes, and further
detail is lost when the image is enlarged (`benchmarks.quality`)."""


@dataclass(frozen=True)
class Level:
    """One size of the schedule."""

    number: int
    """Counted from 1."""
    of: int
    """Number of levels."""
    size: tuple[int, int]
    """(height, width) in pixels."""
    steps: int
    work_before: float
    """Share of the schedule's work, in pixels times steps, of all earlier levels."""
    work: float
    """Share of this level."""

    def done(self, number: int) -> float:
        """Share of the schedule's work that is done after `number` steps of this level."""
        return self.work_before + self.work * number / self.steps


def coarse_to_fine(size: tuple[int, int], least: int, recipe: Recipe) -> tuple[Level, ...]:
    """Levels whose sizes double up to the last one.

    Args:
        size: (height, width) of the result.
        least: pixels of a level's longer side, at least, for the network's layers to exist.
        recipe: `steps` of the last level, and number of `levels`; None: down to `COARSEST`.
    """
    sizes = [size]
    while recipe.levels is None or len(sizes) < recipe.levels:
        halves = (round(sizes[0][0] / 2), round(sizes[0][1] / 2))
        if max(halves) < (least if recipe.levels else max(least, COARSEST)):
            break
        sizes.insert(0, halves)
    steps = [-(-recipe.steps // COARSE_STEPS_DIVISOR)] * (len(sizes) - 1) + [recipe.steps]
    costs = [height * width * count for (height, width), count in zip(sizes, steps, strict=True)]
    return tuple(
        Level(
            number=index + 1,
            of=len(sizes),
            size=level,
            steps=steps[index],
            work_before=sum(costs[:index]) / sum(costs),
            work=costs[index] / sum(costs),
        )
        for index, level in enumerate(sizes)
    )
