"""Which positions of each layer a part of a picture needs: the deeper, the less of its halo."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from vangram.networks.topology import Topology, pooled
from vangram.networks.winograd import OUTPUTS, Window

Windows = Mapping[str, Window]
"""Layer -> rows and columns of its positions."""
WHOLE: Windows = {}


def frames(
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
    """`frames` along one axis."""
    places = {}
    for name in used:
        if pooled(name):
            length, before = -(-length // 2), before // 2
        places[name] = length, before
    spans: dict[str, slice] = {}
    seen: slice | None = None  # of the output by what is deeper
    for name in reversed(used):
        (length, before), layer = places[name], f"relu{name}"
        if layer in windows:
            seen = _union(seen, windows[layer] or slice(0, length))
        assert seen is not None
        first = (seen.start + before) // OUTPUTS * OUTPUTS - before
        spans[name] = slice(first, min(seen.stop, length))
        seen = slice(max(seen.start - 1, 0), min(seen.stop + 1, length))
        if pooled(name):
            seen = slice(2 * min(seen.start, first), 2 * seen.stop)
    return spans


def _union(one: slice | None, other: slice) -> slice:
    if one is None:
        return other
    return slice(min(one.start, other.start), max(one.stop, other.stop))


def halved(frame: Window) -> Window:
    """What pooling makes of a frame, which begins at even positions."""
    rows, columns = (slice(part.start // 2, -(-part.stop // 2)) for part in frame)
    return rows, columns


def within(frame: Window, other: Window) -> Window:
    """A frame, counted from where another one begins."""
    rows, columns = (
        slice(part.start - there.start, part.stop - there.start)
        for part, there in zip(frame, other, strict=True)
    )
    return rows, columns


def size_of(frame: Window) -> tuple[int, int]:
    """Its rows and columns, counted."""
    return frame[0].stop - frame[0].start, frame[1].stop - frame[1].start
