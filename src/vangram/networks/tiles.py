"""A picture cut into tiles whose features are exact: a core to count, a halo to see."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from vangram.networks.topology import Topology
from vangram.networks.winograd import OUTPUTS

ALIGNMENT = OUTPUTS
"""Positions of the deepest layer."""

Window = tuple[slice, slice]
"""Rows and columns."""


@dataclass(frozen=True)
class Tile:
    """A part of a picture, in pixels of the whole picture."""

    core: Window
    """The part whose positions count here; the cores of a grid cover the picture once."""
    padded: Window
    """The core and what its features see around it."""

    def cut(self, image: Tensor) -> Tensor:
        """The padded part (B, C, h, w) of a picture (B, C, H, W), a view."""
        return image[:, :, self.padded[0], self.padded[1]]

    def inside(self, layers: Iterable[str], topology: Topology) -> dict[str, Window]:
        """The core's positions by layer, in the features of the padded part."""
        return self.windows(layers, topology, [padded.start for padded in self.padded])

    def windows(
        self, layers: Iterable[str], topology: Topology, first: Sequence[int] = (0, 0)
    ) -> dict[str, Window]:
        """The core's positions by layer, counted from the pixel `first`."""
        windows = {}
        for layer in layers:
            stride = topology.stride(layer)
            rows, columns = (
                slice((core.start - start) // stride, -(-(core.stop - start) // stride))
                for core, start in zip(self.core, first, strict=True)
            )
            windows[layer] = rows, columns
        return windows


def grid(
    size: tuple[int, int], core: int, topology: Topology, layers: Collection[str]
) -> Iterator[Tile]:
    """Tiles that cover a picture, row by row.

    Tiles begin at multiples of the deepest stride, so that pooling falls on the same pixels as in
    the whole picture, and where cores are large enough at multiples of `ALIGNMENT` strides, so that
    `Winograd` cuts every layer as it does in the whole picture, and rounding comes out alike. Cores
    at the right and the bottom take what is left. Where the picture ends the network pads as it
    always does; elsewhere the halo keeps padding out of the core's sight.

    Args:
        size: (height, width) of the picture.
        core: pixels of a core along either axis, rounded down to what it is aligned to.
        topology: of the network.
        layers: whose features are to be exact.
    """
    stride = max(topology.stride(layer) for layer in layers)
    halo = topology.halo(layers)
    unit = ALIGNMENT * stride if core >= ALIGNMENT * stride else stride
    core = max(core // unit, 1) * unit
    rows, columns = (_cores(length, core, halo % unit, stride) for length in size)
    for row in rows:
        for column in columns:
            padded = [
                slice(max(0, part.start - halo), min(length, part.stop + halo))
                for part, length in zip((row, column), size, strict=True)
            ]
            yield Tile(core=(row, column), padded=(padded[0], padded[1]))


def _cores(length: int, core: int, first: int, stride: int) -> list[slice]:
    """Cores along one axis, the first one longer; a rest shorter than a stride joins the last."""
    starts = [0, *range(first + core, length - stride + 1, core)]
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], length], strict=True)]
