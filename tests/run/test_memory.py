"""The plan: what a run is computed with, from the memory given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vangram.errors import SettingError, SizeError
from vangram.networks import FeatureNetwork
from vangram.networks.geometry import core_sides
from vangram.optimize import Level
from vangram.run.memory import HISTORIES, Means, free_memory, means_for, work_of
from vangram.settings.recipe import Recipe
from vangram.settings.text import parse_memory

GB = 10**9


def level(side: int) -> Level:
    return Level(1, 1, (side, side), 10, 0.0, 1.0)


def means(network: FeatureNetwork, side: int, memory: int, **settings: object) -> Means:
    recipe = Recipe(memory=memory).replace(**settings)
    return means_for(level(side), recipe, network, given=0)


def test_small_picture_is_computed_at_once_with_all_pairs(lite: FeatureNetwork) -> None:
    found = means(lite, 512, 4 * GB)
    assert (found.tile, found.optimizer, found.history) == (None, "lbfgs", HISTORIES[0])
    assert not found.spilled


@pytest.mark.parametrize(
    ("memory", "side"),
    [
        (memory, side)
        for memory in (1, 2, 4, 16)
        for side in (256, 512, 1024, 2048, 4096, 8192)
        if (memory, side) != (1, 8192)  # writing the picture takes 0.4 GB there
    ],
)
def test_means_keep_to_the_memory(lite: FeatureNetwork, side: int, memory: int) -> None:
    found = means(lite, side, memory * GB)
    assert found.bytes <= memory * GB
    assert found.tile is None or min(core_sides(found.tile)) < side


def test_less_memory_gives_tiles_then_fewer_pairs_then_files(lite: FeatureNetwork) -> None:
    ways = [means(lite, 2048, memory * GB) for memory in (32, 5, 3, 1)]
    assert [way.tile is None for way in ways] == [True, False, False, False]
    assert {way.optimizer for way in ways} == {"lbfgs"}
    histories = [way.history for way in ways]
    assert histories == sorted(histories, reverse=True)
    assert histories[1] == HISTORIES[0] > histories[2] >= HISTORIES[-1]
    assert [way.spilled for way in ways] == [False, False, False, True]
    assert [way.instead for way in ways] == [False, False, True, True]
    assert ways[3].history == HISTORIES[-1]
    for way in ways[2:]:
        assert f"L-BFGS with {way.history} pairs instead of {HISTORIES[0]}" in str(way)
    assert str(ways[3]).count("large tensors in files") == 1
    adam = means(lite, 2048, GB, optimizer="adam")
    assert (adam.optimizer, adam.spilled, adam.instead) == ("adam", True, False)


def test_small_picture_keeps_its_lbfgs_where_only_tiles_are_large(lite: FeatureNetwork) -> None:
    found = means(lite, 512, GB)
    assert found.tile is not None
    assert found.optimizer == "lbfgs"
    assert not found.spilled


def test_tile_that_is_asked_for_is_taken(lite: FeatureNetwork) -> None:
    assert means(lite, 512, GB, tile=128).tile == 128
    assert means(lite, 96, GB, tile=128).tile is None


def test_work_grows_with_steps_and_pixels_and_with_what_tiles_see_beside_their_cores(
    lite: FeatureNetwork,
) -> None:
    def work(side: int, tile: int | None, steps: int = 10) -> float:
        recipe = Recipe(tile=tile)
        at = replace(level(side), steps=steps)
        return work_of(at, means_for(at, recipe, lite, given=0), recipe, lite)

    assert work(1024, None) == 4 * work(512, None)
    assert work(512, None, 1000) / work(512, None, 100) == pytest.approx(10, rel=0.2)
    # Features twice at least, and 64 px cores have halos larger than themselves.
    assert 1.3 * work(512, None) < work(512, 256) < work(512, 64) / 2


def test_memory_that_suffices_for_nothing_is_refused_with_what_would(lite: FeatureNetwork) -> None:
    with pytest.raises(SizeError, match=r"512 x 512 px: give at least --memory [\d.]+GB") as caught:
        means(lite, 512, GB // 10)
    enough = str(caught.value).split()[-1]
    assert means(lite, 512, parse_memory(enough)).tile is not None


def test_free_memory_is_some_and_no_more_than_there_is() -> None:
    import psutil
    import torch

    assert 0 < free_memory(torch.device("cpu")) < psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("text", "amount"),
    [("4GB", 4 * GB), ("1.5 gb", 3 * GB // 2), ("800M", 800_000_000), ("1000000", 10**6)],
)
def test_memory_is_read_as_people_write_it(text: str, amount: int) -> None:
    assert parse_memory(text) == amount


@pytest.mark.parametrize("text", ["", "much", "4 apples", "-1GB", "nan"])
def test_memory_that_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="no amount of memory"):
        parse_memory(text)
