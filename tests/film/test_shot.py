"""A shot: every frame in every pass, the same to the bit however often it was stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.film.test_motion import Pictures
from tests.run.test_warp import frame
from tests.support import drawn
from vangram.film import FilmStep, Shot
from vangram.film.motion import YOUNG
from vangram.film.shot import PAINTED, REPAINTED
from vangram.images import read_picture
from vangram.run.inputs import RunSource
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe

SMALL = Recipe(
    size=64, steps=6, frame_steps=2, levels=1, style_layers={"relu1_1": 1.0},
    content_layers={"relu2_1": 1.0}, passes=3, remember=(1, 2),
)  # fmt: skip


class Memory:
    """A store in memory."""

    def __init__(self) -> None:
        self.kept: dict[int, tuple[int, Tensor, Tensor]] = {}
        self.order: list[tuple[int, int]] = []

    def passes(self, index: int) -> int:
        return self.kept[index][0] if index in self.kept else 0

    def result(self, index: int) -> Tensor:
        return self.kept[index][1]

    def painted(self, index: int) -> Tensor:
        return self.kept[index][2]

    def keep(self, index: int, number: int, image: Tensor, painted: Tensor) -> None:
        assert image.dtype == painted.dtype == torch.float16
        assert painted.shape == image[:, :1].shape
        self.kept[index] = number, image, painted
        self.order.append((number, index))


@pytest.fixture(scope="module")
def painting() -> Inputs[RunSource]:
    return Inputs(styles=(read_picture(drawn(48, 48, 7)),))


def shot_of(painting: Inputs[RunSource], store: Memory, of: range = range(4), **more: Any) -> Shot:
    pytest.importorskip("cv2", reason="OpenCV finds the motion")
    frames = Pictures([frame(number, 48, 64) for number in range(len(of) + of.start)])
    return Shot(frames, store, of, lambda _: painting, lambda _: SMALL.replace(**more))


def test_passes_go_forward_and_backward_in_turn(painting: Inputs[RunSource]) -> None:
    store = Memory()
    steps = list(shot_of(painting, store, range(1, 4)).paint())
    assert store.order == [(1, 1), (1, 2), (1, 3), (2, 3), (2, 2), (2, 1), (3, 1), (3, 2), (3, 3)]
    counts = {(s.number, s.index): s.step.number for s in steps}
    assert counts == {job: 6 if job == (1, 1) else 2 for job in store.order}
    done = [each.done for each in steps]
    assert done == sorted(done)
    assert done[-1] == pytest.approx(1)


def test_place_is_held_more_from_frame_to_frame_until_it_is_painted(
    painting: Inputs[RunSource],
) -> None:
    store = Memory()
    shot = shot_of(painting, store, passes=1, frame_steps=PAINTED // 3)
    frames = Pictures([drawn(48, 64, 3)[None]] * 4)
    shot = replace(shot, frames=frames)
    new = torch.zeros(1, 1, 48, 64).half()
    new[..., :32] = 1
    store.keep(0, 1, torch.full((1, 3, 48, 64), 0.5).half(), new)
    left, right = [], []
    for index in (1, 2, 3):
        run, painted = shot.run(index, 1)
        assert painted is not None
        weights = run.inputs.warped.weights  # type: ignore[union-attr]
        assert weights is not None
        left.append(float(weights[..., :24].min()))
        right.append(float(weights[..., 40:].max()))
        store.keep(index, 1, torch.full((1, 3, 48, 64), 0.5).half(), painted.half())
    assert left == pytest.approx([1, 1, 1], abs=1e-3)
    assert right[0] == pytest.approx(0, abs=1e-3)
    assert 0 < right[1] < right[2] < 1
    assert 0.9 < float(store.painted(3)[..., 40:].min()) <= 1


def test_place_in_another_style_is_held_less() -> None:
    pytest.importorskip("cv2", reason="OpenCV finds the motion")
    styles = Inputs[RunSource](styles=tuple(read_picture(drawn(48, 48, n)) for n in (7, 8)))
    frames, store, held = Pictures([drawn(48, 64, 3)[None]] * 2), Memory(), []
    store.keep(0, 1, torch.full((1, 3, 48, 64), 0.5).half(), torch.ones(1, 1, 48, 64).half())
    for share in (0.0, 0.02, 0.5):
        recipes = [SMALL.replace(passes=1, blend=blend) for blend in ((1, 0), (1 - share, share))]
        shot = Shot(frames, store, range(2), lambda _: styles, recipes.__getitem__)
        run, _ = shot.run(1, 1)
        weights = run.inputs.warped.weights  # type: ignore[union-attr]
        assert weights is not None
        held.append(float(weights.mean()))
    assert held == pytest.approx([1, (1 - 0.02 * REPAINTED) ** YOUNG, 0], abs=1e-3)


def test_single_frame_has_one_pass(painting: Inputs[RunSource]) -> None:
    store = Memory()
    list(shot_of(painting, store, range(2, 3)).paint())
    assert store.order == [(1, 2)]


def test_shot_that_was_stopped_goes_on_to_the_same_bits(painting: Inputs[RunSource]) -> None:
    whole, parts = Memory(), Memory()
    list(shot_of(painting, whole).paint())
    for steps in (4, 9, 3, 5):  # and then nothing of the frame at hand is kept
        walk = iter(shot_of(painting, parts).paint())
        for _ in range(steps):
            next(walk)
    list(shot_of(painting, parts).paint())
    assert parts.order == whole.order
    for index in range(4):
        assert torch.equal(parts.result(index), whole.result(index))


def test_shots_do_not_depend_on_each_other(painting: Inputs[RunSource]) -> None:
    alone, after = Memory(), Memory()
    list(shot_of(painting, alone, range(2, 4)).paint())
    list(shot_of(painting, after, range(2)).paint())
    list(shot_of(painting, after, range(2, 4)).paint())
    assert torch.equal(alone.result(3), after.result(3))


def test_film_that_stands_still_stays_still(painting: Inputs[RunSource]) -> None:
    frames = Pictures([drawn(48, 64, 3)[None]] * 3)
    moved = []
    for weight in (1000.0, 0.0):
        changes = {"steps": 20, "frame_steps": 6, "passes": 1, "flicker_weight": weight}
        store, recipes = Memory(), [SMALL.replace(**changes)] * 3
        shot = Shot(frames, store, range(3), lambda _: painting, recipes.__getitem__)
        list(shot.paint())
        first, last = store.result(0).float(), store.result(2).float()
        moved.append(float((last - first).abs().mean() / (first - frames.pixels[0]).abs().mean()))
    # Of what the first frame's steps have changed; further steps go on where nothing holds them.
    assert moved[0] < 0.5 * moved[1]


@pytest.mark.parametrize("colour", ["style", "luminance"])
def test_frame_is_shown_as_its_run_shows_it(painting: Inputs[RunSource], colour: str) -> None:
    store = Memory()
    shot = shot_of(painting, store, range(1), colour=colour)
    steps: list[FilmStep] = list(shot.paint())
    wanted = shot.run(0, 1)[0].shown(steps[-1].step.image.half().float(), (48, 64))
    assert torch.equal(shot.shown(0), wanted)
    assert 0 <= float(wanted.min()) <= float(wanted.max()) <= 1
