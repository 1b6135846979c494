"""Style targets that runs share: the same as without sharing, whatever ran before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from vangram.objective import TermKey
from vangram.objective.targets import StyleTarget
from vangram.run import Run
from vangram.run.target_cache import CACHE, LARGEST_CACHE, cached_style_targets

SMALL: dict[str, Any] = {
    "size": 64,
    "content_layers": {"relu3_1": 1.0},
    "style_layers": {"relu1_1": 0.5, "relu2_1": 0.5},
}


def targets(photo: Path, painting: Path, **settings: Any) -> dict[TermKey, StyleTarget]:
    run = Run.prepare(photo, painting, **SMALL | settings)
    return dict(cached_style_targets(run.inputs, run.recipe, run.network, run.plans[-1]))


def assert_same(ours: dict[TermKey, StyleTarget], theirs: dict[TermKey, StyleTarget]) -> None:
    assert ours.keys() == theirs.keys()
    for key, target in ours.items():
        assert torch.equal(target.moments.products, theirs[key].moments.products)
        sums, others = target.moments.sums, theirs[key].moments.sums
        assert (sums is None) == (others is None)
        assert sums is None or others is None or torch.equal(sums, others)


@pytest.mark.parametrize(
    "settings",
    [
        {"style_layers": {"relu1_1": 1.0}},
        {"style_layers": {"relu1_1": 0.5, "relu3_1": 0.5}},
        {"style_loss": "wasserstein"},
        {"style_size": 1.5},
        {"size": 80},
        {"pooling": "average"},
        {"normalise": True},
        {"colour": "luminance"},
        {"colour": "match"},
        {"tile": 32},
        {"style_weight": 0.0},
    ],
    ids=str,
)
def test_targets_do_not_depend_on_earlier_runs(
    photo: Path, painting: Path, settings: dict[str, Any]
) -> None:
    CACHE.clear()
    alone = targets(photo, painting, **settings)
    CACHE.clear()
    plain = targets(photo, painting)
    assert_same(targets(photo, painting, **settings), alone)
    assert_same(targets(photo, painting), plain)
    CACHE.clear()
    targets(photo, painting, **settings)
    assert_same(targets(photo, painting), plain)


def test_targets_of_another_painting_are_others(photo: Path, painting: Path) -> None:
    CACHE.clear()
    ours, theirs = targets(photo, painting), targets(painting, photo)
    for key, target in ours.items():
        assert not torch.equal(target.moments.products, theirs[key].moments.products)


def test_targets_of_the_last_levels_alone_are_kept(photo: Path, painting: Path) -> None:
    CACHE.clear()
    for index in range(LARGEST_CACHE + 3):
        targets(photo, painting, style_size=1 + index / 10)
    assert len(CACHE) == LARGEST_CACHE
