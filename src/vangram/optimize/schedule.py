"""The plan from coarse to fine: which sizes, and how many steps at each."""

from __future__ import annotations

from dataclasses import dataclass

from vangram.settings.recipe import Recipe

COARSEST = 256
"""Longer side in pixels of the first level, or nearly twice as much."""
COARSER = 4
"""Times fewer steps that a level takes than the last one: it lays out large forms, and what it
would still gain in detail is lost on the way up (`benchmarks.quality`)."""


@dataclass(frozen=True)
class Level:
    """One size of the plan."""

    number: int
    """From 1."""
    of: int
    size: tuple[int, int]
    """(height, width) in pixels."""
    steps: int
    work_before: float
    """Share of the plan's work, counted in pixels times steps, that comes before this level."""
    work: float
    """This level's share."""

    def done(self, number: int) -> float:
        """Share of the whole plan's work that lies behind after so many of this level's steps."""
        return self.work_before + self.work * number / self.steps


def coarse_to_fine(size: tuple[int, int], least: int, recipe: Recipe) -> tuple[Level, ...]:
    """Sizes that double up to the last one.

    Args:
        size: (height, width) of the result.
        least: pixels that a level's longer side needs for the network's layers to exist.
        recipe: steps at the last level, and how many levels; None: down to `COARSEST`.
    """
    sizes = [size]
    while recipe.levels is None or len(sizes) < recipe.levels:
        halves = (round(sizes[0][0] / 2), round(sizes[0][1] / 2))
        if max(halves) < (least if recipe.levels else max(least, COARSEST)):
            break
        sizes.insert(0, halves)
    steps = [-(-recipe.steps // COARSER)] * (len(sizes) - 1) + [recipe.steps]
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
