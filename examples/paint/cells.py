"""Voronoi cells: the panes of the glass and the facets of the rocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .canvas import Array


def voronoi(points: Array, seeds: Array) -> tuple[NDArray[np.int64], Array]:
    """The nearest seed to each point and the distance to its cell's edge.

    Args:
        points: (n, 2).
        seeds: (m, 2), in the same unit.

    Returns:
        (n,) indices of seeds and (n,) distances, exact also in the cells' corners: the distance to
        the second nearest seed alone would not be.
    """
    nearest = np.zeros(len(points), dtype=np.int64)
    best = np.full(len(points), np.inf)
    for index, seed in enumerate(seeds):
        squared = ((points - seed) ** 2).sum(axis=1)
        closer = squared < best
        nearest[closer], best[closer] = index, squared[closer]
    edge = np.full(len(points), np.inf)
    for index, seed in enumerate(seeds):
        gap = np.hypot(*(seeds - seed).T)
        gap[index] = 1e-9  # the cell's own seed is infinitely far from its own edge
        away = (((points - seed) ** 2).sum(axis=1) - best + 1e-12) / (2 * gap[nearest])
        np.minimum(edge, np.where(nearest == index, np.inf, away), out=edge)
    return nearest, edge
