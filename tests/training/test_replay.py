"""The replay of crops: its capacity, its seed, and targets that stay with their crops."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from training.replay import Replay


def numbered(first: int, count: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Crops (count, 3, 4, 4) that are their number everywhere, and targets made from it."""
    number = torch.arange(first, first + count).float().view(-1, 1, 1, 1)
    targets = {"relu4_1": 2 * number.expand(-1, 5, 2, 2), "relu5_1": -number.expand(-1, 6, 1, 1)}
    return number.expand(-1, 3, 4, 4), targets


def filled(capacity: int, batches: int, seed: int = 0) -> Replay:
    """A replay that has been given batches of three."""
    replay = Replay(capacity, seed)
    for batch in range(batches):
        replay.add(*numbered(3 * batch, 3))
    return replay


@pytest.mark.parametrize(("batches", "kept"), [(0, 0), (1, 3), (2, 6), (3, 8), (5, 8)])
def test_replay_keeps_no_more_than_its_capacity(batches: int, kept: int) -> None:
    replay = filled(8, batches)
    assert len(replay) == kept
    assert all(len(values) == 8 for values in replay.stored.values())


def test_replay_keeps_the_latest_crops() -> None:
    crops, _ = filled(8, 5).draw(8)
    seen = set(crops[:, 0, 0, 0].tolist())
    for _ in range(20):  # with replacement, so not all at once
        seen |= set(filled(8, 5, seed=len(seen)).draw(8)[0][:, 0, 0, 0].tolist())
    assert seen <= set(range(7, 15))
    assert len(seen) > 4


def test_drawn_targets_belong_to_their_crops() -> None:
    crops, targets = filled(8, 5).draw(6)
    assert crops.shape == (6, 3, 4, 4)
    assert crops.dtype == torch.float32
    number = crops[:, :1, :1, :1]
    assert targets.keys() == {"relu4_1", "relu5_1"}
    assert torch.equal(targets["relu4_1"].float(), (2 * number).expand(-1, 5, 2, 2))
    assert torch.equal(targets["relu5_1"].float(), -number.expand(-1, 6, 1, 1))
    assert number.max() > number.min()


def test_draws_are_those_of_the_seed() -> None:
    def drawn(seed: int) -> Tensor:
        replay = filled(64, 20, seed)
        return torch.cat([replay.draw(8)[0] for _ in range(3)])

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


def test_draw_gives_no_more_than_is_kept() -> None:
    crops, targets = filled(8, 1).draw(6)
    assert len(crops) == len(targets["relu4_1"]) == 3


def test_replay_keeps_copies() -> None:
    crops, targets = numbered(0, 3)
    crops = crops.clone()
    replay = Replay(8, 0)
    replay.add(crops, targets)
    crops.fill_(100)
    assert replay.draw(3)[0].max() <= 2
