"""Targets: what the given pictures are in a network's eyes, read tile by tile where large."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from torch import Tensor

from vangram.losses import Moments, moments
from vangram.networks import FeatureNetwork, Trace
from vangram.networks.tiles import Tile, grid
from vangram.storage import IN_MEMORY, Storage


def content_targets(
    network: FeatureNetwork,
    picture: Tensor,
    layers: Collection[str],
    tile: int | None,
    storage: Storage = IN_MEMORY,
) -> dict[str, Tensor]:
    """A picture's features by layer, (1, C, h, w) each, channels innermost.

    Args:
        network: whose features.
        picture: (1, 3, H, W).
        layers: may be none.
        tile: pixels of a tile's core along either axis; None: all at once.
        storage: where the features shall live.
    """
    topology, size = network.topology, (picture.shape[2], picture.shape[3])
    targets = {}
    for layer in layers:
        rows_first = (1, *topology.shape(size, layer), topology.width(layer))
        targets[layer] = storage.empty(rows_first, picture).permute(0, 3, 1, 2)
    for part, features in _parts(network, picture, layers, tile):
        for layer, (rows, columns) in part.windows(layers, topology).items():
            targets[layer][:, :, rows, columns] = features[layer]
        storage.release()
    return targets


def style_targets(
    network: FeatureNetwork,
    picture: Tensor,
    layers: Collection[str],
    tile: int | None,
    *,
    sums: bool = False,
) -> dict[str, Moments]:
    """A picture's moments per position by layer: A / M (C, C) each, with `sums` s / M (C,) as well.

    The other args are as above.
    """
    topology, size = network.topology, (picture.shape[2], picture.shape[3])
    summed: dict[str, Moments] = {}
    for _, features in _parts(network, picture, layers, tile):
        for layer, part in features.items():
            found = moments(part[0], sums=sums)
            summed[layer] = summed[layer] + found if layer in summed else found
    return {layer: total / topology.positions(size, layer) for layer, total in summed.items()}


def _parts(
    network: FeatureNetwork, picture: Tensor, layers: Collection[str], tile: int | None
) -> Iterator[tuple[Tile, dict[str, Tensor]]]:
    """Tiles that cover the picture, and the features of their cores."""
    if not layers:
        return
    size = (picture.shape[2], picture.shape[3])
    for part in grid(size, tile or max(size), network.topology, layers):
        inside = part.inside(layers, network.topology)
        trace = Trace(network, part.cut(picture), layers, inside, whole=size, keep=False)
        yield part, trace.features
