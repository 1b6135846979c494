"""Tiles: every pixel and every position counted once, every core with its halo around it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.support import NARROW_VGG19, he_initialised
from vangram.networks import Trace
from vangram.networks.frozen import FrozenConvolution
from vangram.networks.registry import VGG19
from vangram.networks.tiles import grid

LAYERS = ("relu1_1", "relu3_1", "relu5_1")


@given(height=st.integers(16, 400), width=st.integers(16, 400), core=st.integers(1, 200))
def test_cores_count_every_position_of_every_layer_once(height: int, width: int, core: int) -> None:
    counts = {
        layer: torch.zeros(-(-height // VGG19.stride(layer)), -(-width // VGG19.stride(layer)))
        for layer in LAYERS
    }
    for tile in grid((height, width), core, VGG19, LAYERS):
        for layer, (rows, columns) in tile.windows(LAYERS, VGG19).items():
            counts[layer][rows, columns] += 1
    assert all(bool((count == 1).all()) for count in counts.values())


@given(height=st.integers(16, 400), width=st.integers(16, 400), core=st.integers(16, 200))
def test_padded_tile_is_the_core_and_its_halo_within_the_picture(
    height: int, width: int, core: int
) -> None:
    for tile in grid((height, width), core, VGG19, LAYERS):
        for part, padded, length in zip(tile.core, tile.padded, (height, width), strict=True):
            assert padded.start % 16 == 0
            assert padded.start == max(0, part.start - 80)
            assert padded.stop == min(length, part.stop + 80)


def test_deep_layers_are_computed_for_what_the_core_sees_of_them_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = he_initialised(NARROW_VGG19)
    layers, size = ["relu1_1", "relu5_1"], (320, 320)
    tile = next(t for t in grid(size, 64, network.topology, layers) if t.padded[0].start > 0)
    computed: list[int] = []  # positions along an axis, one convolution after the other
    forward = FrozenConvolution.forward

    def spied(self: FrozenConvolution, x: Tensor, fast: bool) -> Tensor:
        y = forward(self, x, fast)
        computed.append(y.shape[2])
        return y

    monkeypatch.setattr(FrozenConvolution, "forward", spied)
    inside = tile.inside(layers, network.topology)
    part = tile.cut(torch.rand(1, 3, *size, dtype=torch.float64))
    Trace(network, part, layers, inside, whole=size)
    padded = tile.padded[0].stop - tile.padded[0].start
    assert computed[0] == padded
    # The last block's convolution sees one position around the core's, aligned to four.
    core = inside["relu5_1"][0].stop - inside["relu5_1"][0].start
    assert core + 2 <= computed[-1] <= core + 8 < padded // 16
