"""Tiles: every pixel and every position counted once, every core with its halo around it."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

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
