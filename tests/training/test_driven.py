"""Crops that a network repaints while it learns."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from training.driven import CROPS, VISITS, Driven
from training.pictures import Crops
from vangram.networks import FeatureNetwork
from vangram.networks.topology import Topology
from vangram.settings.recipe import Recipe

RECIPE = Recipe()
TOPOLOGY = Topology(
    widths=(6, 6, 6, 8, 8),
    depths=(2, 2, 4, 4, 1),
    feature_layers=RECIPE.layers,
    heads=dict.fromkeys(RECIPE.layers, 12),
    padding="reflect",
)


def crops() -> Crops:
    source = Crops(48, seed=1)
    generator = torch.Generator().manual_seed(2)
    for grain in (8, 96):  # pixels a side, so two textures
        coarse = torch.rand(2, 3, grain, grain, generator=generator)
        source.add(list((255 * F.interpolate(coarse, (96, 96))).to(torch.uint8)), 1.0)
    return source


def network() -> FeatureNetwork:
    torch.manual_seed(3)
    return FeatureNetwork(TOPOLOGY).freeze()


def style_left(image: Tensor, style: Tensor, network: FeatureNetwork) -> float:
    left = 0.0
    for layer in RECIPE.style_layers:
        ours, theirs = (
            f @ f.mT for f in (network(p, [layer])[layer].flatten(2) for p in (image, style))
        )
        left += float((ours - theirs).square().sum() / theirs.square().sum())
    return left


def test_driven_crops_come_closer_to_their_style() -> None:
    leader, driven = network(), Driven(crops(), seed=1)
    path = driven.paths[0]
    path.visits, path.recipe = 0, Recipe(tv_weight=0.0)
    before = style_left(path.content, path.style, leader)
    images = [path.advanced(leader) for _ in range(3)]
    assert style_left(images[-1], path.style, leader) < before / 2


def test_driven_crops_take_turns_and_make_room_after_their_visits() -> None:
    leader, driven = network(), Driven(crops(), seed=1)
    first, second = driven.paths[:2]
    first.visits, second.visits = VISITS, VISITS - 1
    batch = driven.batch(leader, 2)
    assert batch.shape == (2, 3, 48, 48)
    assert driven.paths[0] is not first
    assert driven.paths[1] is second
    assert second.visits == VISITS
    assert not torch.equal(batch[1:], second.content)
    driven.batch(leader, CROPS)
    assert driven.paths[1] is not second


def test_driven_crops_begin_at_different_stages() -> None:
    stages = {path.visits for path in Driven(crops(), seed=1).paths}
    assert len(stages) > VISITS // 3
    assert max(stages) < VISITS
