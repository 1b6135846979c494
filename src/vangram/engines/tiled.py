"""The tiled engine: the exact gradient of an image of any size in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from vangram.kernels import Window
from vangram.networks import FeatureNetwork, ForwardPass
from vangram.networks.geometry import Core, Tile, grid, relative_to
from vangram.objective import Evaluation, LossTerms, Objective, Statistics
from vangram.storage.tensors import evict


@dataclass(frozen=True)
class Part:
    """Tiles of an image that are evaluated one after the other; at least one."""

    size: tuple[int, int]
    """(height, width) of the whole image."""
    tiles: Sequence[Tile]

    @property
    def bounds(self) -> Tile:
        """The smallest rectangles that hold all cores, and all padded tiles."""
        return Tile(
            core=_bounds([tile.core for tile in self.tiles]),
            padded=_bounds([tile.padded for tile in self.tiles]),
        )


def _bounds(windows: Sequence[Window]) -> Window:
    rows, columns = (
        slice(min(part.start for part in parts), max(part.stop for part in parts))
        for parts in zip(*windows, strict=True)
    )
    return rows, columns


class TilePasses:
    """The two passes of one evaluation over a part's tiles, one tile's features at a time.

    The last tile's features are kept from the first pass to the second.

    Args:
        network: the network of the features.
        objective: for the image, or its `part` for the bounds of `part`.
        part: the tiles.
        image: (1, 3, h, w), the pixels of the part's padded bounds.
    """

    def __init__(
        self, network: FeatureNetwork, objective: Objective, part: Part, image: Tensor
    ) -> None:
        self.network, self.objective, self.part, self.image = network, objective, part, image
        self.bounds = part.bounds
        self._last: ForwardPass | None = None

    def measure(self) -> Statistics:
        """The sums over the positions of all tiles, in float64: they hardly depend on its order."""
        summed: Statistics | None = None
        for tile in self.part.tiles:
            last = tile is self.part.tiles[-1]
            passed = self._forward(tile, keep=last)
            found = self.objective.measure(passed.features, self._windows(tile)).to(torch.float64)
            summed = found if summed is None else summed + found
            if last:
                self._last = passed
            del passed
            evict()
        assert summed is not None
        return summed

    def add_gradient(self, loss_terms: LossTerms, gradient: Tensor) -> None:
        """Add the gradient of the feature terms, in place, where `image` is; once, after `measure`.

        Args:
            loss_terms: of the whole image.
            gradient: like `image`.
        """
        last, self._last = self._last, None
        *others, tile = self.part.tiles
        assert last is not None
        self._add(tile, last, loss_terms, gradient)
        del last
        for tile in others:
            self._add(tile, self._forward(tile, keep=True), loss_terms, gradient)

    def _forward(self, tile: Tile, *, keep: bool) -> ForwardPass:
        layers = self.objective.layers
        rows, columns = relative_to(tile.padded, self.bounds.padded)
        return ForwardPass(
            self.network,
            self.image[:, :, rows, columns],
            layers,
            tile.local_windows(layers, self.network.topology),
            whole=self.part.size,
            corner=tile.corner,
            keep=keep,
        )

    def _add(self, tile: Tile, passed: ForwardPass, terms: LossTerms, gradient: Tensor) -> None:
        grad = partial(self.objective.feature_grad, loss_terms=terms, windows=self._windows(tile))
        rows, columns = relative_to(tile.padded, self.bounds.padded)
        gradient[:, :, rows, columns].add_(passed.backward(grad).to(gradient.device))
        evict()

    def _windows(self, tile: Tile) -> dict[str, Window]:
        """Layer -> the core's positions, counted from the first of all cores."""
        rows, columns = self.bounds.core
        first = rows.start, columns.start
        return tile.windows(self.objective.layers, self.network.topology, first)


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
        size = (image.shape[2], image.shape[3])
        tiles = list(grid(size, self.core, self.network.topology, objective.layers))
        passes = TilePasses(self.network, objective, Part(size, tiles), image)
        loss_terms = objective.loss_terms(passes.measure().to(image.dtype), image)
        gradient = objective.storage.zeros(image.shape, image)
        passes.add_gradient(loss_terms, gradient)
        objective.add_pixel_grad(image, gradient)
        return Evaluation(loss_terms.loss, loss_terms.terms, gradient)
