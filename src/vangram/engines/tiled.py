"""A picture of any size in bounded memory: the whole picture's exact gradient, tile by tile."""

from __future__ import annotations

from functools import partial, reduce
from operator import add

from torch import Tensor

from vangram.networks import FeatureNetwork, ForwardPass
from vangram.networks.geometry import Core, Tile, grid
from vangram.objective import Evaluation, Objective, Statistics


class TiledEngine:
    """Value and gradient with one tile's features in memory at a time.

    The style term's gradient at a position needs the Gram matrix of the whole picture and nothing
    else of it, so two passes over the tiles do: the first adds up the statistics, the second
    propagates back. A position's loss is counted in one core, and its gradient reaches every pixel
    that it sees, in the halo as well, where it is added to the neighbours': the result is the whole
    engine's to rounding.

    Args:
        network: whose features are compared.
        objective: for an image of the size that will be given.
        core: pixels of a tile's core, rounded down to the deepest stride.
    """

    def __init__(self, network: FeatureNetwork, objective: Objective, core: Core) -> None:
        self.network = network
        self.objective = objective
        self.core = core

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at (1, 3, H, W), which is read and not changed."""
        image, objective = image.detach(), self.objective
        layers, topology = objective.layers, self.network.topology
        size = (image.shape[2], image.shape[3])
        tiles = list(grid(size, self.core, topology, layers))

        def trace(tile: Tile, keep: bool) -> ForwardPass:
            inside = tile.local_windows(layers, topology)
            return ForwardPass(
                self.network, tile.crop(image), layers, inside,
                whole=size, corner=tile.corner, keep=keep,
            )  # fmt: skip

        def measured(tile: Tile) -> Statistics:
            windows = tile.windows(layers, topology)
            statistics = objective.measure(trace(tile, keep=False).features, windows)
            objective.storage.release()
            return statistics

        judgement = objective.judge(reduce(add, map(measured, tiles)), image)
        gradient = objective.storage.zeros(image.shape, image)
        for tile in tiles:
            windows = tile.windows(layers, topology)
            slope = partial(objective.feature_gradient, judgement=judgement, windows=windows)
            part = trace(tile, keep=True).backward(slope)
            tile.crop(gradient).add_(part.to(gradient.device))
            objective.storage.release()
        objective.add_image_gradient(image, gradient)
        return Evaluation(judgement.loss, judgement.terms, gradient)
