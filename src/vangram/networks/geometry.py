"""Which positions of each layer a part of a picture needs, and tiles whose features are exact.

A tile has a core to count and a halo to see; the deeper a layer, the less of the halo it needs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from vangram.kernels import TILE, Window
from vangram.networks.topology import Topology, follows_pooling

Windows = Mapping[str, Window]
"""Layer -> rows and columns of its positions."""
WHOLE: Windows = {}
Core = int | tuple[int, int]
"""Pixels of a tile's core along either axis, or its height and width."""


@dataclass(frozen=True)
class Tile:
    """A part of a picture, in pixels of the whole picture."""

    core: Window
    """The part whose positions count here; the cores of a grid cover the picture once."""
    padded: Window
    """The core and what its features see around it."""

    @property
    def corner(self) -> tuple[int, int]:
        """Row and column where the padded part begins."""
        return self.padded[0].start, self.padded[1].start

    def crop(self, image: Tensor) -> Tensor:
        """The padded part (B, C, h, w) of a picture (B, C, H, W), a view."""
        return image[:, :, self.padded[0], self.padded[1]]

    def local_windows(self, layers: Iterable[str], topology: Topology) -> dict[str, Window]:
        """The core's positions by layer, in the features of the padded part."""
        return self.windows(layers, topology, self.corner)

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
    size: tuple[int, int], core: Core, topology: Topology, layers: Collection[str]
) -> Iterator[Tile]:
    """Tiles that cover a picture, row by row.

    Tiles begin at multiples of the deepest stride, so that pooling falls on the same pixels as in
    the whole picture. Cores at the right and the bottom take what is left. Where the picture ends
    the network pads as it always does; elsewhere the halo keeps padding out of the core's sight.

    Args:
        size: (height, width) of the picture.
        core: pixels of a core, rounded down to the deepest stride.
        topology: of the network.
        layers: whose features are to be exact.
    """
    axes = _Axes(topology, layers)
    rows, columns = (
        axes.cut(length, side) for length, side in zip(size, core_sides(core), strict=True)
    )
    for top in rows.parts:
        for left in columns.parts:
            yield Tile(core=(top.core, left.core), padded=(top.padded, left.padded))


def best_core_size(
    pixels: float, size: tuple[int, int], topology: Topology, layers: Collection[str]
) -> tuple[int, int]:
    """The cores that make the least work of a picture in tiles of so many pixels at most.

    Args:
        pixels: of a padded tile.
        size: (height, width) of the picture.
        topology: of the network.
        layers: whose features are to be exact.

    Returns:
        (height, width) for `grid`; the smallest there are, if even their tiles are larger.
    """
    axes = _Axes(topology, layers)
    rows, columns = ([axes.cut(length, side) for side in axes.sides(length)] for length in size)
    fitting = [
        (top.work * left.work, top.tile * left.tile, top.core, left.core)
        for top in rows
        for left in columns
        if top.tile * left.tile <= pixels
    ]
    _, _, *core = min(fitting, default=(0, 0, axes.stride, axes.stride))
    return core[0], core[1]


def core_sides(core: Core) -> tuple[int, int]:
    """Height and width."""
    return (core, core) if isinstance(core, int) else core


class _Part(NamedTuple):
    """Of one axis: a core and what is seen around it."""

    core: slice
    padded: slice


class _Cut(NamedTuple):
    """One axis in parts."""

    core: int
    parts: list[_Part]
    tile: int
    """Pixels of the longest part, with what is seen around it."""
    work: int
    """Pixels of all parts, likewise."""


class _Axes:
    """How an axis may be cut."""

    def __init__(self, topology: Topology, layers: Collection[str]) -> None:
        self.stride = max(topology.stride(layer) for layer in layers)
        self.halo = topology.halo(layers)

    def sides(self, length: int) -> set[int]:
        """The shortest cores for each count of them."""
        strides = max(length // self.stride, 1)
        return {-(-strides // count) * self.stride for count in range(1, strides + 1)}

    def cut(self, length: int, core: int) -> _Cut:
        """Cores of one length; a rest shorter than a stride joins the last."""
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
        return _Cut(core, parts, max(lengths), sum(lengths))


def computed_windows(
    topology: Topology,
    size: tuple[int, int],
    layers: Collection[str],
    windows: Windows = WHOLE,
    corner: tuple[int, int] = (0, 0),
) -> dict[str, Window]:
    """Each convolution's positions that what counts sees, counted from where the part begins.

    They begin where Winograd's tiles do in the whole picture: where rounding came out otherwise, a
    ReLU that is closed in the whole might be open in the part. The few positions that are there for
    this alone, even before the part, are computed without all that they see; nothing deeper sees
    them.

    Args:
        topology: of the network.
        size: (height, width) of the part.
        layers: that are asked for.
        windows: by layer, what counts of it; all of it, where nothing is said.
        corner: pixels of the whole picture above the part and left of it, multiples of the deepest
            stride.

    Returns:
        "1_1", ... up to the deepest layer -> rows and columns of the convolution's output.
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
    """`computed_windows` along one axis."""
    places = {}
    for name in used:
        if follows_pooling(name):
            length, before = -(-length // 2), before // 2
        places[name] = length, before
    spans: dict[str, slice] = {}
    seen: slice | None = None  # of the output by what is deeper
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


def pooled_window(frame: Window) -> Window:
    """What pooling makes of a frame, which begins at even positions."""
    rows, columns = (slice(part.start // 2, -(-part.stop // 2)) for part in frame)
    return rows, columns


def relative_to(frame: Window, other: Window) -> Window:
    """A frame, counted from where another one begins."""
    rows, columns = (
        slice(part.start - there.start, part.stop - there.start)
        for part, there in zip(frame, other, strict=True)
    )
    return rows, columns


def window_size(frame: Window) -> tuple[int, int]:
    """Its rows and columns, counted."""
    return frame[0].stop - frame[0].start, frame[1].stop - frame[1].start
