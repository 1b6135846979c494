"""Engines: the value and gradient of an objective at an image."""

from __future__ import annotations

from vangram.engines.distributed import DistributedEngine
from vangram.engines.ranks import Ranks
from vangram.engines.tiled import TiledEngine
from vangram.engines.whole import WholeEngine
from vangram.networks import FeatureNetwork
from vangram.networks.tiles import Core, core_sides
from vangram.objective import Evaluate, Objective

__all__ = ["DistributedEngine", "TiledEngine", "WholeEngine", "engine_for"]


def engine_for(
    size: tuple[int, int],
    tile: Core | None,
    network: FeatureNetwork,
    objective: Objective,
    devices: int = 1,
    *,
    strips: bool = False,
) -> Evaluate:
    """Engine for an image of (height, width): tiled where it needs more than one tile.

    Args:
        size: (height, width).
        tile: size of a tile's core; None: the whole image.
        network: of the features.
        objective: for an image of that size.
        devices: that share the image; more than one are the ranks that this process has joined.
        strips: whether each device has a strip, instead of tiles.
    """
    if devices > 1 and Ranks.current is not None:
        core = None if strips else tile
        return DistributedEngine(Ranks.current, network, objective, size, core)
    if tile is None or all(a <= b for a, b in zip(size, core_sides(tile), strict=True)):
        return WholeEngine(network, objective)
    return TiledEngine(network, objective, tile)
