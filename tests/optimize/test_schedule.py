"""The plan from coarse to fine."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vangram.optimize import coarse_to_fine
from vangram.optimize.schedule import COARSE_STEPS_DIVISOR, COARSEST
from vangram.settings.recipe import Recipe

sides = st.integers(1, 20_000)
plans = st.tuples(
    st.tuples(sides, sides),
    st.integers(1, 64),
    st.integers(1, 500),
    st.none() | st.integers(1, 16),
)


@given(plans)
def test_schedule_ends_at_the_requested_size(
    plan: tuple[tuple[int, int], int, int, int | None],
) -> None:
    size, least, steps, levels = plan
    made = coarse_to_fine(size, least, Recipe(steps=steps, levels=levels))
    assert made[-1].size == size
    assert made[-1].steps == steps
    assert {level.steps for level in made[:-1]} <= {math.ceil(steps / COARSE_STEPS_DIVISOR)}
    assert [level.number for level in made] == list(range(1, len(made) + 1))
    assert {level.of for level in made} == {len(made)}
    assert len(made) <= (levels or 99)


@given(plans)
def test_schedule_doubles_its_sizes(plan: tuple[tuple[int, int], int, int, int | None]) -> None:
    size, least, steps, levels = plan
    made = coarse_to_fine(size, least, Recipe(steps=steps, levels=levels))
    for coarse, fine in pairwise(made):
        for small, large in zip(coarse.size, fine.size, strict=True):
            assert abs(2 * small - large) <= 1  # an odd side is halved to the nearest
        assert max(coarse.size) >= least
        assert levels is not None or max(coarse.size) >= COARSEST


@given(plans)
def test_work_counts_pixels_and_sums_to_one(
    plan: tuple[tuple[int, int], int, int, int | None],
) -> None:
    size, least, steps, levels = plan
    made = coarse_to_fine(size, least, Recipe(steps=steps, levels=levels))
    assert sum(level.work for level in made) == pytest.approx(1)
    before = 0.0
    for level in made:
        assert level.work_before == pytest.approx(before, abs=1e-12)
        before += level.work
        ratio = level.size[0] * level.size[1] / (size[0] * size[1])
        assert level.work / made[-1].work == pytest.approx(ratio * level.steps / steps)


def test_schedule_of_1024_by_768_has_three_levels() -> None:
    made = coarse_to_fine((768, 1024), 32, Recipe(steps=40))
    assert [level.size for level in made] == [(192, 256), (384, 512), (768, 1024)]
    assert [level.steps for level in made] == [10, 10, 40]


def test_schedule_stops_at_the_networks_smallest_size() -> None:
    # 164 px along the longer side are 32 along the shorter.
    made = coarse_to_fine((100, 512), 164, Recipe())
    assert [level.size for level in made] == [(50, 256), (100, 512)]


def test_schedule_has_the_requested_number_of_levels() -> None:
    assert len(coarse_to_fine((384, 512), 4, Recipe(levels=1))) == 1
    assert len(coarse_to_fine((384, 512), 4, Recipe(levels=6))) == 6
