"""The tiled engine: the exact gradient of an image of any size in bounded memory."""

from __future__ import annotations

from functools import partial, reduce
from operator import add

from torch import Tensor

from vangram.networks import FeatureNetwork, ForwardPass
from vangram.networks.geometry import Core, Tile, grid
from vangram.objective import Evaluation, Objective, Statistics
from vangram.storage.tensors import evict


class TiledEngine:
    """Value and gradient with one tile's features in memory at a time.

    The style term's gradient at a position depends on the rest of the image only through its Gram
    matrix, so two passes over the tiles suffice: the first adds up the statistics, the second
    backpropagates. Each position's loss is counted in one core; its gradient reaches every pixel of
    its receptive field, halo included, where tiles are added up. The result is the whole engine's
    up to rounding.

    Args:
        network: the network of the features.
        objective: for an image of the same size.
        core: size of a tile's core, rounded down to the deepest stride.
    """

    def __init__(self, network: FeatureNetwork, objective: Objective, core: Core) -> None:
        self.network = network
        self.objective = objective
        self.core = core

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at (1, 3, H, W), which is not changed."""
        image, objective = image.detach(), self.objective
        layers, topology = objective.layers, self.network.topology
        size = (image.shape[2], image.shape[3])
        tiles = list(grid(size, self.core, topology, layers))

        forward = partial(ForwardPass.of_tile, self.network, image, layers)

        def measured(tile: Tile) -> Statistics:
            windows = tile.windows(layers, topology)
            statistics = objective.measure(forward(tile, keep=False).features, windows)
            evict()
            return statistics

        loss_terms = objective.loss_terms(reduce(add, map(measured, tiles)), image)
        gradient = objective.storage.zeros(image.shape, image)
        for tile in tiles:
            windows = tile.windows(layers, topology)
            grad = partial(objective.feature_grad, loss_terms=loss_terms, windows=windows)
            part = forward(tile, keep=True).backward(grad)
            tile.crop(gradient).add_(part.to(gradient.device))
            evict()
        objective.add_pixel_grad(image, gradient)
        return Evaluation(loss_terms.loss, loss_terms.terms, gradient)
