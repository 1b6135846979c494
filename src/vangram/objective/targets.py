"""Content and style targets: features and moments of the inputs, computed in tiles if large."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from vangram.errors import SettingError, ShapeError
from vangram.losses import STYLE_LOSSES, Moments, feature_moments
from vangram.networks import FeatureNetwork, ForwardPass, Topology
from vangram.networks.tiles import Core, Tile, grid
from vangram.objective.evaluation import TermKey
from vangram.settings.recipe import Recipe
from vangram.storage.tensors import IN_MEMORY, Storage, evict

LEAST_POSITIONS = 1.0
"""Positions of a layer that a region must fill to have a style term there."""


def content_targets(
    network: FeatureNetwork,
    picture: Tensor,
    layers: Collection[str],
    tile: Core | None,
    storage: Storage = IN_MEMORY,
) -> dict[str, Tensor]:
    """A picture's features by layer, (1, C, h, w) each, channels innermost.

    Args:
        network: computes the features.
        picture: (1, 3, H, W).
        layers: may be empty.
        tile: pixels of a tile's core; None: the whole picture at once.
        storage: where the features live.
    """
    topology, size = network.topology, (picture.shape[2], picture.shape[3])
    targets = {}
    for layer in layers:
        rows_first = (1, *topology.shape(size, layer), topology.width(layer))
        targets[layer] = storage.empty(rows_first, picture).permute(0, 3, 1, 2)
    for part, features in _parts(network, picture, layers, tile):
        for layer, (rows, columns) in part.windows(layers, topology).items():
            targets[layer][:, :, rows, columns] = features[layer]
    return targets


@dataclass(frozen=True, eq=False)
class Region:
    """A part of the picture with a style of its own."""

    name: str
    """Its colour in the mask, as #rrggbb, "opaque" or "transparent"."""
    weights: Tensor
    """(1, 1, H, W) in [0, 1]: share of each pixel in the region."""
    parts: tuple[Tensor | None, ...]
    """By painting, the weight of each of its pixels, (1, 1, H', W'); None: nothing of it."""


class StyleTarget(NamedTuple):
    """The target of one style term."""

    moments: Moments
    """Per position."""
    guide: Tensor | None = None
    """Weights (h, w) of the image's positions; None: all are 1."""


def style_targets(
    recipe: Recipe,
    network: FeatureNetwork,
    paintings: Sequence[Tensor] | None,
    regions: Sequence[Region],
    tile: Core | None,
    *,
    visible: Tensor | None = None,
    alphas: Sequence[Tensor | None] = (),
) -> dict[TermKey, StyleTarget]:
    """The targets of a recipe's style terms, one for each layer and region.

    Args:
        recipe: layers, style loss and shares.
        network: computes the features.
        paintings: (1, 3, H, W) each, of any size.
        regions: parts of the image with a style of their own; empty: one style everywhere.
        tile: pixels of a tile's core; None: each painting at once.
        visible: (1, 1, H, W), how much each pixel of the image counts; None: all count alike.
        alphas: the same of each painting's pixels; empty: all count alike.

    Raises:
        ShapeError: the recipe has style terms, and there are no paintings.
        SettingError: too little is visible for any style term.
    """
    if not recipe.wants_style:
        return {}
    if paintings is None:
        raise ShapeError("style terms have a weight, and no style picture is given")
    shares, sums = recipe.shares(len(paintings)), STYLE_LOSSES[recipe.style_loss].needs_sums
    alphas = alphas or [None] * len(paintings)
    if not regions:
        parts = alphas if any(alpha is not None for alpha in alphas) else None
        found = blended_moments(network, paintings, shares, tile, sums=sums, parts=parts)
        targets = _guided(found, "", visible, network.topology)
    else:
        targets = {}
    for region in regions:
        there = [index for index, part in enumerate(region.parts) if part is not None]
        found = blended_moments(
            network,
            [paintings[index] for index in there],
            [shares[index] for index in there],
            tile,
            sums=sums,
            parts=[_product(region.parts[index], alphas[index]) for index in there],
        )
        weights = _product(region.weights, visible)
        targets |= _guided(found, region.name, weights, network.topology)
    if not targets:
        raise SettingError(
            "too little of the photograph or of the paintings is visible, or in a region, for a"
            " style: use a larger --size"
        )
    return targets


def _guided(
    found: Mapping[str, Moments], region: str, weights: Tensor | None, topology: Topology
) -> dict[TermKey, StyleTarget]:
    """Targets of the layers at which the weights (1, 1, H, W) fill a position; None: all are 1."""
    guides = {} if weights is None else layer_weights(weights, topology, found)
    return {
        TermKey("style", layer, region): StyleTarget(moments, guides.get(layer))
        for layer, moments in found.items()
        if weights is None or guides[layer].sum() >= LEAST_POSITIONS
    }


def _product(part: Tensor | None, alpha: Tensor | None) -> Tensor | None:
    """Weights of pixels times their alpha; None: opaque."""
    return part if part is None or alpha is None else part * alpha


def layer_weights(weights: Tensor, topology: Topology, layers: Iterable[str]) -> dict[str, Tensor]:
    """Weights (h, w) of each layer's positions: the mean over the pixels that a position covers.

    Args:
        weights: (1, 1, H, W), of the pixels.
        topology: of the network.
        layers: their names.
    """
    return {
        layer: F.avg_pool2d(
            weights, topology.stride(layer), ceil_mode=True, count_include_pad=False
        )[0, 0]
        for layer in layers
    }


def style_moments(
    network: FeatureNetwork,
    picture: Tensor,
    layers: Collection[str],
    tile: Core | None,
    *,
    sums: bool = False,
    part: Tensor | None = None,
) -> dict[str, Moments]:
    """A picture's moments per position by layer: A / M (C, C) each, with `sums` s / M (C,) as well.

    Args:
        network: computes the features.
        picture: (1, 3, H, W).
        layers: may be empty.
        tile: pixels of a tile's core; None: the whole picture at once.
        sums: whether s is needed.
        part: (1, 1, H, W), weights of the pixels; None: all are 1. Layers at which the weights add
            up to less than a position are left out.
    """
    topology, size = network.topology, (picture.shape[2], picture.shape[3])
    counts: dict[str, Tensor] = {}
    positions: dict[str, float] = {layer: topology.positions(size, layer) for layer in layers}
    if part is not None:
        counts = layer_weights(part, topology, layers)
        positions = {layer: float(each.sum()) for layer, each in counts.items()}
        layers = [layer for layer in layers if positions[layer] >= LEAST_POSITIONS]
    summed: dict[str, Moments] = {}
    for core, features in _parts(network, picture, layers, tile):
        windows = core.windows(layers, topology)
        for layer, values in features.items():
            weights = counts[layer][windows[layer]] if layer in counts else None
            found = feature_moments(values[0], sums=sums, weights=weights)
            summed[layer] = summed[layer] + found if layer in summed else found
    return {layer: total / positions[layer] for layer, total in summed.items()}


def blended_moments(
    network: FeatureNetwork,
    paintings: Sequence[Tensor],
    shares: Sequence[Mapping[str, float]],
    tile: Core | None,
    *,
    sums: bool = False,
    parts: Sequence[Tensor | None] | None = None,
) -> dict[str, Moments]:
    """Moments per position of several paintings, mixed layer by layer.

    Args:
        network: computes the features.
        paintings: (1, 3, H, W) each, of any size.
        shares: by painting, layer -> its share there; those of a layer add up to one.
        tile: pixels of a tile's core; None: each painting at once.
        sums: whether s is needed.
        parts: by painting, weights of its pixels, as `part` of `style_moments`. The shares of a
            layer are scaled to add up to one over the paintings that fill a position there.
    """
    mixed: dict[str, Moments] = {}
    whole: dict[str, float] = {}
    for index, (painting, share) in enumerate(zip(paintings, shares, strict=True)):
        part = None if parts is None else parts[index]
        found = style_moments(network, painting, share, tile, sums=sums, part=part)
        for layer, target in found.items():
            counted = target if share[layer] == 1 else target * share[layer]
            mixed[layer] = mixed[layer] + counted if layer in mixed else counted
            whole[layer] = whole.get(layer, 0.0) + share[layer]
    if parts is not None:
        mixed = {layer: target / whole[layer] for layer, target in mixed.items()}
    return dict(sorted(mixed.items()))


def _parts(
    network: FeatureNetwork,
    picture: Tensor,
    layers: Collection[str],
    tile: Core | None,
) -> Iterator[tuple[Tile, dict[str, Tensor]]]:
    """Tiles that cover a picture, with the features of their cores."""
    if not layers:
        return
    size = (picture.shape[2], picture.shape[3])
    for part in grid(size, tile or size, network.topology, layers):
        yield part, ForwardPass.of_tile(network, picture, layers, part, keep=False).features
        evict()
