"""A picture of any size in bounded memory: the whole picture's exact gradient, tile by tile."""

from __future__ import annotations

from functools import reduce
from operator import add

import torch
from torch import Tensor

from vangram.networks import FeatureNetwork
from vangram.networks.tiles import Tile, grid
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
        core: pixels of a tile's core along either axis, rounded down to the deepest stride.
    """

    def __init__(self, network: FeatureNetwork, objective: Objective, core: int) -> None:
        self.network = network
        self.objective = objective
        self.core = core

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at (1, 3, H, W), which is read and not changed."""
        image = image.detach()
        objective, layers, topology = self.objective, self.objective.layers, self.network.topology
        size = (image.shape[2], image.shape[3])
        tiles = list(grid(size, self.core, topology, layers))

        def measured(tile: Tile) -> Statistics:
            features = tile.counted(self.network(tile.cut(image), layers), topology)
            return objective.measure(features, tile.windows(layers, topology))

        with torch.no_grad():
            judgement = objective.judge(reduce(add, map(measured, tiles)), image)

        gradient = torch.zeros_like(image)
        for tile in tiles:
            padded = tile.cut(image).requires_grad_()
            features = tile.counted(self.network(padded, layers), topology)
            slopes = objective.feature_gradients(
                {layer: f.detach() for layer, f in features.items()},
                judgement,
                tile.windows(layers, topology),
            )
            (part,) = torch.autograd.grad(
                [features[layer] for layer in slopes], padded, list(slopes.values())
            )
            tile.cut(gradient).add_(part)
        smoothness = objective.image_gradient(image)
        if smoothness is not None:
            gradient += smoothness
        return Evaluation(judgement.loss, judgement.terms, gradient)
