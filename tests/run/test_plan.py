"""The plan: how each level is computed within the memory given."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from vangram.errors import SizeError
from vangram.networks import FeatureNetwork
from vangram.optimize import Level
from vangram.run.memory import InputMemory
from vangram.run.plan import HISTORIES, LevelPlan, plan_level, plan_run
from vangram.settings.recipe import Recipe
from vangram.settings.text import parse_memory

GB = 10**9
LEAST = 12 * GB // 10
"""Bytes that suffice for a run of the network that ships, and for little more."""


def level(side: int) -> Level:
    return Level(1, 1, (side, side), 10, 0.0, 1.0)


def planned(
    network: FeatureNetwork, side: int, memory: int, devices: int = 1, **settings: object
) -> LevelPlan:
    recipe = Recipe().replace(**settings)
    return plan_level(level(side), recipe, network, InputMemory(), memory, devices)


def test_small_picture_is_computed_at_once_with_all_pairs(lite: FeatureNetwork) -> None:
    found = planned(lite, 512, 4 * GB)
    assert (found.tile, found.optimizer, found.history) == (None, "lbfgs", HISTORIES[0])
    assert not found.spilled


def test_less_memory_gives_tiles_then_fewer_pairs_then_files(lite: FeatureNetwork) -> None:
    ways = [planned(lite, 2048, memory) for memory in (32 * GB, 6 * GB, 4 * GB, LEAST)]
    assert [way.tile is None for way in ways] == [True, False, False, False]
    assert {way.optimizer for way in ways} == {"lbfgs"}
    histories = [way.history for way in ways]
    assert histories == sorted(histories, reverse=True)
    assert histories[1] == HISTORIES[0] > histories[2] >= HISTORIES[-1]
    assert [way.spilled for way in ways] == [False, False, False, True]
    assert [way.shortened for way in ways] == [False, False, True, True]
    assert ways[3].history == HISTORIES[-1]
    for way in ways[2:]:
        assert f"L-BFGS with {way.history} pairs instead of {HISTORIES[0]}" in str(way)
    assert str(ways[3]).count("large tensors in files") == 1
    adam = planned(lite, 2048, LEAST, optimizer="adam")
    assert (adam.optimizer, adam.spilled, adam.shortened) == ("adam", True, False)


def test_small_picture_keeps_its_lbfgs_where_only_tiles_are_large(lite: FeatureNetwork) -> None:
    found = planned(lite, 512, LEAST)
    assert found.tile is not None
    assert found.optimizer == "lbfgs"
    assert not found.spilled


def test_tile_that_is_asked_for_is_taken(lite: FeatureNetwork) -> None:
    assert planned(lite, 512, GB, tile=128).tile == 128
    assert planned(lite, 96, GB, tile=128).tile is None


def test_work_grows_with_steps_and_pixels_and_with_what_tiles_see_beside_their_cores(
    lite: FeatureNetwork,
) -> None:
    def work(side: int, tile: int | None, steps: int = 10) -> float:
        at = replace(level(side), steps=steps)
        return plan_level(at, Recipe(tile=tile), lite, InputMemory(), 100 * GB).work

    assert work(1024, None) == 4 * work(512, None)
    assert work(512, None, 1000) / work(512, None, 100) == pytest.approx(10, rel=0.2)
    # Features twice at least, and 64 px cores have halos larger than themselves.
    assert 1.3 * work(512, None) < work(512, 256) < work(512, 64) / 2


def test_limited_run_is_one_that_more_memory_would_change(lite: FeatureNetwork) -> None:
    levels = level(512), level(1024)

    def limited(memory: int, **settings: object) -> bool:
        recipe = Recipe().replace(**settings)
        return plan_run(levels, recipe, lite, InputMemory(), memory).limited

    assert limited(2 * GB)
    assert not limited(32 * GB)
    assert not limited(2 * GB, tile=128)  # which is taken whatever the memory


def test_what_is_kept_and_the_frame_before_take_memory(lite: FeatureNetwork) -> None:
    def expected(**inputs: Any) -> int:
        return plan_level(level(512), Recipe(), lite, InputMemory(**inputs), 100 * GB).bytes

    assert expected(keep=True) > expected(sequence=True) > expected()
    assert expected(regions=3) > expected(regions=1) > expected()
    assert expected(decoded=1000) == expected() + 1000


def test_memory_that_suffices_for_nothing_is_refused_with_what_would(lite: FeatureNetwork) -> None:
    with pytest.raises(SizeError, match=r"512 x 512 px: give at least --memory [\d.]+GB") as caught:
        planned(lite, 512, GB // 10)
    enough = str(caught.value).split()[-1]
    assert planned(lite, 512, parse_memory(enough)).tile is not None


@pytest.mark.parametrize("devices", [2, 3, 4])
def test_devices_have_strips_where_these_fit_and_save_time(
    lite: FeatureNetwork, devices: int
) -> None:
    found = planned(lite, 1024, 16 * GB, devices)
    assert (found.strips, found.devices, found.tile) == (True, devices, None)
    assert found.division == f"{devices} devices, a strip each"
    assert "in strips" in str(found)
    alone = planned(lite, 1024, 16 * GB)
    assert 1 / devices < found.work / alone.work < 1 / devices + 0.15
    assert not found.limited
    assert planned(lite, 300, 16 * GB, 8 + devices).devices == 4  # of 64 rows at least


def test_devices_have_tiles_where_strips_do_not_fit(lite: FeatureNetwork) -> None:
    found = planned(lite, 4096, 4 * GB, 2)
    assert (found.strips, found.devices) == (False, 2)
    assert found.tile is not None
    assert re.fullmatch(r"2 devices, (at most )?\d+ tiles each", found.division)
    assert found.limited
    asked = planned(lite, 1024, 16 * GB, 2, tile=256)
    assert (asked.strips, asked.devices, asked.tile) == (False, 2, 256)


def test_picture_too_small_to_share_is_left_to_one_device(lite: FeatureNetwork) -> None:
    for side, devices in ((60, 4), (96, 2), (192, 2)):
        found = planned(lite, side, 4 * GB, devices)
        assert (found.strips, found.devices, found.tile) == (False, 1, None)
        assert found == planned(lite, side, 4 * GB)
