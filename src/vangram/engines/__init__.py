"""Engines: the value and gradient of an objective at an image."""

from __future__ import annotations

from vangram.engines.tiled import TiledEngine
from vangram.engines.whole import WholeEngine
from vangram.networks import FeatureNetwork
from vangram.networks.geometry import Core, core_sides
from vangram.objective import Objective

__all__ = ["TiledEngine", "WholeEngine", "engine_for"]


def engine_for(
    size: tuple[int, int], tile: Core | None, network: FeatureNetwork, objective: Objective
) -> WholeEngine | TiledEngine:
    """Engine for an image of (height, width): tiled where it needs more than one tile."""
    if tile is None or all(a <= b for a, b in zip(size, core_sides(tile), strict=True)):
        return WholeEngine(network, objective)
    return TiledEngine(network, objective, tile)
