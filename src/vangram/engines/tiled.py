"""The tiled engine: the exact gradient of an image of any size in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from torch import Tensor

from vangram.kernels import Window
from vangram.networks import FeatureNetwork, ForwardPass
from vangram.networks.tiles import Core, Tile, grid, relative_to
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


class Passes(Protocol):
    """The two passes of one evaluation over a part of the image."""

    def measure(self) -> Statistics:
        """The statistics of the part, moments in float64."""

    def gradients(self, loss_terms: LossTerms) -> Iterator[tuple[Tile, Tensor]]:
        """The gradient of the feature terms; once, after `measure`.

        Args:
            loss_terms: of the whole image.

        Yields:
            Each tile, and the gradient (1, 3, h, w) of its padded pixels.
        """


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
        """As `Passes`: the sums of all tiles, in float64, which hardly depend on their order."""
        summed: Statistics | None = None
        for tile in self.part.tiles:
            last = tile is self.part.tiles[-1]
            passed = self._forward(tile, keep=last)
            found = self.objective.measure(passed.features, self._windows(tile))
            summed = found if summed is None else summed + found
            if last:
                self._last = passed
            del passed
            evict()
        assert summed is not None
        return summed

    def gradients(self, loss_terms: LossTerms) -> Iterator[tuple[Tile, Tensor]]:
        """As `Passes`, tile by tile.

        Always in the tiles' order, so that the sums where halos meet are the same to the last bit
        however tiles are divided into parts.
        """
        passed, self._last = self._last, None
        *others, tile = self.part.tiles
        assert passed is not None
        last = self._gradient(tile, passed, loss_terms)  # first, as its features are there
        del passed
        for each in others:
            yield each, self._gradient(each, self._forward(each, keep=True), loss_terms)
            evict()
        yield tile, last
        evict()

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

    def _gradient(self, tile: Tile, passed: ForwardPass, terms: LossTerms) -> Tensor:
        grad = partial(self.objective.feature_grad, loss_terms=terms, windows=self._windows(tile))
        return passed.backward(grad)

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
        for tile, found in passes.gradients(loss_terms):
            tile.crop(gradient).add_(found.to(gradient.device))
        objective.add_pixel_grad(image, gradient)
        return Evaluation(loss_terms.loss, loss_terms.terms, gradient)
