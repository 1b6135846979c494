"""Receptive-field geometry: tiles with halos, and the window of each layer that a tile computes.

A tile has a core, whose positions count, and a halo, which its features see. The deeper the layer,
the less of the halo is computed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from vangram.kernels import TILE, Window
from vangram.networks.topology import Topology, follows_pooling

Windows = Mapping[str, Window]
"""Layer -> window of its positions."""
WHOLE: Windows = {}
"""No layer is cropped."""
Core = int | tuple[int, int]
"""Size of a tile's core in pixels: its side, or (height, width)."""


@dataclass(frozen=True)
class Tile:
    """A rectangle of an image, in pixels of the whole image."""

    core: Window
    """Pixels whose positions count; the cores of a grid cover the image once."""
    padded: Window
    """The core with its halo, cropped to the image."""

    @property
    def corner(self) -> tuple[int, int]:
        """(row, column) of the padded tile's first pixel."""
        return self.padded[0].start, self.padded[1].start

    def crop(self, image: Tensor) -> Tensor:
        """The padded tile (B, C, h, w) of an image (B, C, H, W), a view."""
        return image[:, :, self.padded[0], self.padded[1]]

    def local_windows(self, layers: Iterable[str], topology: Topology) -> dict[str, Window]:
        """Layer -> the core's positions in the features of the padded tile."""
        return self.windows(layers, topology, self.corner)

    def windows(
        self, layers: Iterable[str], topology: Topology, first: Sequence[int] = (0, 0)
    ) -> dict[str, Window]:
        """Layer -> the core's positions, counted from the pixel `first`."""
        windows = {}
        for layer in layers:
            stride = topology.stride(layer)
            rows, columns = (
                slice((core.start - start) // stride, -(-(core.stop - start) // stride))
                for core, start in zip(self.core, first, strict=True)
            )
            windows[layer] = rows, columns
        return windows


def halo(topology: Topology, layers: Collection[str]) -> int:
    """Halo in pixels that makes a tile's features exact: the reach, rounded up to a stride."""
    stride = max(topology.stride(layer) for layer in layers)
    reach = max(topology.reach(layer) for layer in layers)
    return -(-reach // stride) * stride


def grid(
    size: tuple[int, int], core: Core, topology: Topology, layers: Collection[str]
) -> Iterator[Tile]:
    """Tiles that cover an image, row by row.

    Tiles start at multiples of the deepest stride, so that pooling windows are the same as in the
    whole image. Cores at the right and bottom take the remainder. At the image's edge the network
    pads as usual; elsewhere the halo keeps padding outside the core's receptive field.

    Args:
        size: (height, width) of the image.
        core: size of a core, rounded down to the deepest stride.
        topology: of the network.
        layers: whose features are to be exact.
    """
    axes = _Axes(topology, layers)
    rows, columns = (
        axes.partition(length, side) for length, side in zip(size, core_sides(core), strict=True)
    )
    for top in rows.parts:
        for left in columns.parts:
            yield Tile(core=(top.core, left.core), padded=(top.padded, left.padded))


def best_core_size(
    pixels: float,
    size: tuple[int, int],
    topology: Topology,
    layers: Collection[str],
    devices: int = 1,
) -> tuple[int, int]:
    """Core size that computes the fewest pixels, halos included, in tiles of bounded size.

    Args:
        pixels: of a padded tile, at most.
        size: (height, width) of the image.
        topology: of the network.
        layers: whose features are to be exact.
        devices: that share the tiles; the pixels of the one that has most of them count.

    Returns:
        (height, width) for `grid`; the smallest possible where even its tiles exceed `pixels`.
    """
    axes = _Axes(topology, layers)
    rows, columns = (
        [axes.partition(length, side) for side in axes.sides(length)] for length in size
    )
    fitting = [
        (_work(top, left, devices), top.tile * left.tile, top.core, left.core)
        for top in rows
        for left in columns
        if top.tile * left.tile <= pixels
    ]
    _, _, *core = min(fitting, default=(0, 0, axes.stride, axes.stride))
    return core[0], core[1]


def core_sides(core: Core) -> tuple[int, int]:
    """(height, width) of a core."""
    return (core, core) if isinstance(core, int) else core


class _Part(NamedTuple):
    """One axis of a tile: the core, and the core with its halo."""

    core: slice
    padded: slice


class _Partition(NamedTuple):
    """One axis divided into tiles."""

    core: int
    parts: list[_Part]
    tile: int
    """Pixels of the longest part, with its halo."""
    work: int
    """Pixels of all parts, with their halos."""


def _work(rows: _Partition, columns: _Partition, devices: int) -> int:
    """Pixels of all tiles, or of those of the device that has most of them."""
    if devices == 1:
        return rows.work * columns.work
    tiles = len(rows.parts) * len(columns.parts)
    return -(-tiles // devices) * rows.tile * columns.tile


class _Axes:
    """Partitions of an axis for a network's layers."""

    def __init__(self, topology: Topology, layers: Collection[str]) -> None:
        self.stride = max(topology.stride(layer) for layer in layers)
        self.halo = halo(topology, layers)

    def sides(self, length: int) -> set[int]:
        """The shortest core for each possible number of cores."""
        strides = max(length // self.stride, 1)
        return {-(-strides // count) * self.stride for count in range(1, strides + 1)}

    def partition(self, length: int, core: int) -> _Partition:
        """Cores of equal length; a remainder shorter than a stride joins the last."""
        starts = [0]
        if core < length:
            core = max(core // self.stride, 1) * self.stride
            starts += range(core, length - self.stride + 1, core)
        parts = [
            _Part(
                slice(start, stop), slice(max(0, start - self.halo), min(length, stop + self.halo))
            )
            for start, stop in zip(starts, [*starts[1:], length], strict=True)
        ]
        lengths = [part.padded.stop - part.padded.start for part in parts]
        return _Partition(core, parts, max(lengths), sum(lengths))


def computed_windows(
    topology: Topology,
    size: tuple[int, int],
    layers: Collection[str],
    windows: Windows = WHOLE,
    corner: tuple[int, int] = (0, 0),
) -> dict[str, Window]:
    """Window of each convolution's output that is computed for a tile, in the tile's coordinates.

    It is what the windows see, extended to start at a Winograd tile of the whole image: with other
    rounding, a ReLU closed in the whole image might be open in the tile. The few positions added
    for alignment, even before the tile, lack some of their inputs; nothing deeper sees them.

    Args:
        topology: of the network.
        size: (height, width) of the tile.
        layers: requested.
        windows: layer -> positions that count; a layer without an entry counts whole.
        corner: (row, column) of the tile in the whole image, multiples of the deepest stride.

    Returns:
        "1_1", ... up to the deepest layer -> window of the convolution's output.
    """
    used = topology.up_to(layers).convolutions
    rows, columns = (
        _spans(
            used,
            length,
            before,
            {layer: windows[layer][axis] if layer in windows else None for layer in layers},
        )
        for axis, (length, before) in enumerate(zip(size, corner, strict=True))
    )
    return {name: (rows[name], columns[name]) for name in used}


def _spans(
    used: tuple[str, ...], length: int, before: int, windows: Mapping[str, slice | None]
) -> dict[str, slice]:
    """`computed_windows` along one axis.

    Args:
        used: convolutions, shallow to deep.
        length: pixels of the tile.
        before: pixels of the whole image before the tile.
        windows: layer -> positions that count; None: all.
    """
    places = {}
    for name in used:
        if follows_pooling(name):
            length, before = -(-length // 2), before // 2
        places[name] = length, before
    spans: dict[str, slice] = {}
    seen: slice | None = None  # positions of the output that deeper layers see
    for name in reversed(used):
        (length, before), layer = places[name], f"relu{name}"
        if layer in windows:
            seen = _union(seen, windows[layer] or slice(0, length))
        assert seen is not None
        first = (seen.start + before) // TILE * TILE - before
        spans[name] = slice(first, min(seen.stop, length))
        seen = slice(max(seen.start - 1, 0), min(seen.stop + 1, length))
        if follows_pooling(name):
            seen = slice(2 * min(seen.start, first), 2 * seen.stop)
    return spans


def _union(one: slice | None, other: slice) -> slice:
    if one is None:
        return other
    return slice(min(one.start, other.start), max(one.stop, other.stop))


def pooled_window(window: Window) -> Window:
    """Window of a pooling's output, for one of its input that starts at even positions."""
    rows, columns = (slice(part.start // 2, -(-part.stop // 2)) for part in window)
    return rows, columns


def relative_to(window: Window, other: Window) -> Window:
    """A window in coordinates that start at another window's corner."""
    rows, columns = (
        slice(part.start - origin.start, part.stop - origin.start)
        for part, origin in zip(window, other, strict=True)
    )
    return rows, columns


def overlap(one: Window, other: Window) -> Window | None:
    """The rows and columns that two windows share; None: there are none."""
    rows, columns = (
        slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, other, strict=True)
    )
    return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None


def window_size(window: Window) -> tuple[int, int]:
    """(rows, columns) of a window."""
    return window[0].stop - window[0].start, window[1].stop - window[1].start
