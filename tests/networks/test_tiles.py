"""Tiles: every pixel and every position counted once, every core with its halo around it."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from vangram.networks.registry import VGG19
from vangram.networks.tiles import Core, best_core_size, computed_windows, grid, window_size

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
def test_padded_tile_is_the_core_with_its_halo(height: int, width: int, core: int) -> None:
    for tile in grid((height, width), core, VGG19, LAYERS):
        for part, padded, length in zip(tile.core, tile.padded, (height, width), strict=True):
            assert padded.start % 16 == 0
            assert padded.start == max(0, part.start - 80)
            assert padded.stop == min(length, part.stop + 80)


@example(height=784, width=880, pixels=135_424)
@given(height=st.integers(16, 900), width=st.integers(16, 900), pixels=st.integers(60_000, 500_000))
def test_best_core_fits_and_costs_no_more_than_a_square(
    height: int, width: int, pixels: int
) -> None:
    def areas(core: Core) -> list[int]:
        tiles = grid((height, width), core, VGG19, LAYERS)
        return [math.prod(window_size(tile.padded)) for tile in tiles]

    best = areas(best_core_size(pixels, (height, width), VGG19, LAYERS))
    assert max(best) <= pixels
    square = int(pixels**0.5) - 2 * 80
    # Cores of unequal length may save what the image's edge cuts off a halo, once along each axis.
    assert sum(best) <= sum(areas(square)) * (1 + 80 / height) * (1 + 80 / width)


def test_image_slightly_larger_than_a_tile_has_two_tiles() -> None:
    core = best_core_size(400 * 400, (384, 512), VGG19, LAYERS)
    assert len(list(grid((384, 512), core, VGG19, LAYERS))) == 2


@pytest.mark.parametrize("side", [16, 80, 333, 512])
def test_core_of_the_images_size_is_one_tile(side: int) -> None:
    (only,) = grid((side, 16), (side, 16), VGG19, LAYERS)
    assert only.core == only.padded == (slice(0, side), slice(0, 16))


@given(
    height=st.integers(16, 400), width=st.integers(16, 400), core=st.integers(16, 200),
    deepest=st.sampled_from(["relu2_1", "relu4_2", "relu5_1"]),
)  # fmt: skip
def test_computed_windows_cover_the_receptive_field_and_little_more(
    height: int, width: int, core: int, deepest: str
) -> None:
    layers = ("relu1_1", deepest)
    used = VGG19.up_to(layers).convolutions
    for tile in grid((height, width), core, VGG19, layers):
        size = window_size(tile.padded)
        windows = tile.local_windows(layers, VGG19)
        for name, computed in computed_windows(VGG19, size, layers, windows, tile.corner).items():
            stride = VGG19.stride(f"relu{name}")
            behind = used[used.index(name) + 1 :]
            reach = sum(VGG19.stride(f"relu{other}") for other in behind)
            for part, counted, length in zip(computed, windows[deepest], size, strict=True):
                first = counted.start * VGG19.stride(deepest) - reach
                last = min(counted.stop * VGG19.stride(deepest) + reach, length)
                assert part.start * stride <= max(first, 0)
                assert part.stop * stride >= last
                slack = 8 * VGG19.stride(deepest)  # of Winograd's tiles and of pooling
                assert part.start * stride >= first - slack
                assert part.stop * stride <= last + slack
