"""Strips: an image divided by rows among processes that exchange rows after every convolution.

A strip has all columns of its rows. Each process computes the activations of its own rows, and has
those of a few rows above and below from its neighbours, as many as a convolution sees, forward or
backward. So nothing is computed twice, and each position is computed as in the whole image, to the
last bit.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise
from typing import Protocol

from torch import Tensor

from vangram.kernels import Window
from vangram.networks.backprop import ForwardPass, SavedConvolution
from vangram.networks.tiles import Tile, relative_to
from vangram.networks.topology import stride_of
from vangram.networks.vgg import FeatureNetwork

FIRST = "1_1"
"""The convolution whose input, the image, each process has as far as it needs it."""
ABOVE = 2
"""Rows of activations from the strip above."""
BELOW = {"zeros": 2, "reflect": 4}
"""Rows from the strip below, by padding. With reflection the tiles of Winograd's way back start at
the image's margin, and the last of a strip reaches into the next one."""


class Exchange(Protocol):
    """Exchange of rows with the strips above and below."""

    def __call__(self, x: Tensor, own: slice, above: int, below: int) -> None:
        """Replace the rows of x around its own by the neighbours', which do the same at once.

        Args:
            x: (1, C, h, w), activations or their gradient.
            own: rows of x that are this strip's.
            above: rows that each strip has of the one before.
            below: rows that it has of the next one.
        """


PADDING = 16
"""Rows around a strip's own of which it has the image: a multiple of every stride, and more than
its first convolution sees."""


def strip_tiles(size: tuple[int, int], count: int, unit: int) -> list[Tile]:
    """An image divided into strips of nearly equal height.

    Args:
        size: (height, width).
        count: of strips, at most; fewer where there are not as many units.
        unit: rows of which each strip but the last has a multiple: four positions at least of the
            deepest layer, a tile of Winograd's.
    """
    height, width = size
    units = max(height // unit, 1)
    count = min(count, units)
    fair = height / count / unit
    nearest = (min(int(index * fair + 0.5), units - count + index) for index in range(count))
    edges = [*(unit * each for each in nearest), height]
    columns = slice(0, width)
    return [
        Tile(
            core=(slice(top, bottom), columns),
            padded=(slice(max(0, top - PADDING), min(height, bottom + PADDING)), columns),
        )
        for top, bottom in pairwise(edges)
    ]


class StripPass(ForwardPass):
    """Features of a strip's rows, and the gradient of its pixels.

    Args:
        network: frozen.
        image: (1, 3, h, w), the strip's padded tile.
        layers: layer names.
        tile: of `strip_tiles`.
        whole: (height, width) of the whole image.
        exchange: of rows with the neighbours, whose passes are made at the same time.
    """

    def __init__(
        self,
        network: FeatureNetwork,
        image: Tensor,
        layers: Collection[str],
        tile: Tile,
        whole: tuple[int, int],
        exchange: Exchange,
    ) -> None:
        self.tile, self.exchange, self.below = tile, exchange, BELOW[network.topology.padding]
        windows = tile.local_windows(layers, network.topology)
        super().__init__(network, image, layers, windows, whole=whole, corner=tile.corner)

    def _own(self, name: str) -> slice:
        """The strip's rows of a convolution's output, counted from the padded tile's first."""
        stride, (core, _), (first, _) = stride_of(name), self.tile.core, self.tile.corner
        return slice((core.start - first) // stride, -(-(core.stop - first) // stride))

    def _needed(
        self,
        size: tuple[int, int],
        layers: Collection[str],
        whole: tuple[int, int],
        corner: tuple[int, int],
    ) -> dict[str, Window]:
        windows = {}
        for name in self.network.topology.up_to(layers).convolutions:
            stride, own = stride_of(name), self._own(name)
            first, last = -(corner[0] // stride), -(-whole[0] // stride) - corner[0] // stride
            rows = slice(max(own.start - ABOVE, first), min(own.stop + self.below, last))
            windows[name] = rows, slice(0, -(-whole[1] // stride))
        return windows

    def _convolve(
        self, name: str, x: Tensor, winograd: bool, window: Window, input_window: Window
    ) -> Tensor:
        if name == FIRST:
            return super()._convolve(name, x, winograd, window, input_window)
        (rows, columns), own = window, self._own(name)
        room = own.start - rows.start, rows.stop - own.stop
        inside = relative_to((own, columns), input_window)
        y = self.network.convolution(name).forward(x, winograd, inside, room)
        self._exchange(y, own, rows)
        return y

    def _gradient(self, saved: SavedConvolution, grad: Tensor) -> Tensor:
        self._exchange(grad, self._own(saved.name), saved.window[0])
        return super()._gradient(saved, grad)

    def _wanted(self, saved: SavedConvolution) -> slice | None:
        own, first = self._own(saved.name), saved.input_window[0].start
        return slice(own.start - first, own.stop - first)

    def _exchange(self, x: Tensor, own: slice, rows: slice) -> None:
        self.exchange(x, slice(own.start - rows.start, own.stop - rows.start), ABOVE, self.below)
