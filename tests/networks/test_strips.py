"""Strips, computed side by side, against the whole image: the same features and gradient."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from queue import SimpleQueue

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.networks.test_backprop import EXACT, FIVE, TOPOLOGIES, random_grad
from tests.support import NARROW_VGG19, batched, he_initialised, needs_llvm, relative_error
from vangram.networks import FeatureNetwork, ForwardPass, Topology, load_network
from vangram.networks.strips import Exchange, StripPass, strip_tiles
from vangram.networks.tiles import Tile

UNIT = 64
any_topology = pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=list(TOPOLOGIES))


class Line:
    """Neighbours in a row, each in a thread of its own.

    Args:
        count: of them.
    """

    def __init__(self, count: int) -> None:
        self.queues = {
            (one, other): SimpleQueue[Tensor]()
            for one in range(count)
            for other in (one - 1, one + 1)
        }

    def exchange(self, number: int) -> Exchange:
        """The exchange of one of them."""

        def exchange(x: Tensor, own: slice, above: int, below: int) -> None:
            rows = x.shape[2]
            if own.start:
                self.queues[number, number - 1].put(x[:, :, own.start :][:, :, :below].clone())
            if own.stop < rows:
                self.queues[number, number + 1].put(x[:, :, own.stop - above : own.stop].clone())
            if own.start:
                x[:, :, : own.start] = self.queues[number - 1, number].get(timeout=60)
            if own.stop < rows:
                x[:, :, own.stop :] = self.queues[number + 1, number].get(timeout=60)

        return exchange


def in_strips(
    network: FeatureNetwork,
    image: Tensor,
    layers: list[str],
    count: int,
    grads: dict[str, Tensor],
) -> tuple[dict[str, Tensor], Tensor]:
    """Features and the image's gradient, from those of the layers, by strips at the same time."""
    size, line = (image.shape[2], image.shape[3]), Line(count)
    tiles = strip_tiles(size, count, UNIT)

    def computed(number: int) -> tuple[dict[str, Tensor], Tensor]:
        tile, own = tiles[number], network.view()  # with a workspace of its own
        passed = StripPass(own, tile.crop(image), layers, tile, size, line.exchange(number))
        features = {layer: f.clone() for layer, f in passed.features.items()}
        windows = Tile(tile.core, tile.core).windows(layers, network.topology)

        def part(layer: str, features: Tensor) -> Tensor:
            rows, columns = windows[layer]
            return grads[layer][:, :, rows, columns].to(features, copy=True)

        gradient = passed.backward(part)
        first = tile.core[0].start - tile.corner[0]
        return features, gradient[:, :, first : first + tile.core[0].stop - tile.core[0].start]

    with ThreadPoolExecutor(count) as threads:
        found = list(threads.map(computed, range(count)))
    features = {layer: torch.cat([each[layer] for each, _ in found], 2) for layer in layers}
    return features, torch.cat([gradient for _, gradient in found], 2)


def at_once(
    network: FeatureNetwork, image: Tensor, layers: list[str]
) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
    """Features, random gradients of theirs, and the image's gradient."""
    passed = ForwardPass(network, image, layers)
    features = {layer: f.clone() for layer, f in passed.features.items()}
    grads = {layer: random_grad(layer, f.shape).to(f) for layer, f in features.items()}
    gradient = passed.backward(lambda layer, features: grads[layer].to(features, copy=True))
    return features, grads, gradient


@any_topology
@pytest.mark.parametrize("layers", [FIVE, ["relu1_1", "relu2_1"], ["relu4_1"]], ids=str)
@pytest.mark.parametrize("size", [(131, 37), (196, 48), (255, 70)])
def test_strips_have_the_features_and_the_gradient_of_the_whole(
    topology: Topology, layers: list[str], size: tuple[int, int]
) -> None:
    network, image = he_initialised(topology), batched(*size, 3)
    features, grads, gradient = at_once(network, image, layers)
    for count in range(2, size[0] // UNIT + 1):
        found, ours = in_strips(network, image, layers, count, grads)
        for layer in layers:
            assert relative_error(found[layer], features[layer]) < EXACT
        assert relative_error(ours, gradient) < EXACT


def test_layer_before_a_pooling_has_its_gradient_at_the_edges() -> None:
    network, image = he_initialised(NARROW_VGG19), batched(140, 40, 3)
    layers = ["relu1_2", "relu2_2", "relu3_4"]
    _, grads, gradient = at_once(network, image, layers)
    assert relative_error(in_strips(network, image, layers, 2, grads)[1], gradient) < EXACT


@needs_llvm
@pytest.mark.parametrize("padding", ["reflect", "zeros"])
def test_strips_round_as_the_whole(padding: str) -> None:
    lite = load_network("vgg19-lite")
    network, image = (
        lite.view(replace(lite.topology, padding=padding)),
        batched(210, 330, 3).float(),
    )
    features, grads, gradient = at_once(network, image, FIVE)
    found, ours = in_strips(network, image, FIVE, 3, grads)
    assert all(torch.equal(found[layer], features[layer]) for layer in FIVE)
    assert torch.equal(ours, gradient)


@given(st.integers(1, 2000), st.integers(1, 9))
def test_strips_cover_the_rows_once(height: int, count: int) -> None:
    tiles = strip_tiles((height, 7), count, UNIT)
    assert len(tiles) == max(min(count, height // UNIT), 1)
    rows = [row for tile in tiles for row in range(height)[tile.core[0]]]
    assert rows == [*range(height)]
    heights = [tile.core[0].stop - tile.core[0].start for tile in tiles]
    assert all(each % UNIT == 0 for each in heights[:-1])
    fair = height / len(tiles)
    assert all(max(min(UNIT, height), fair - UNIT) <= each <= fair + UNIT for each in heights)
    assert all(tile.core[1] == slice(0, 7) == tile.padded[1] for tile in tiles)
