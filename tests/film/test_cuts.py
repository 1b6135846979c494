"""Shots begin where another scene does, and not where the camera moves or the light changes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.film.test_motion import Pictures
from tests.run.test_warp import constant, frame
from tests.support import drawn
from vangram.film.cuts import histogram_distance, shots_of


def scene(seed: int) -> Tensor:
    """A still frame of patches."""
    return drawn(48, 64, seed)[None]


def panned(count: int) -> list[Tensor]:
    """A scene that moves by a twentieth of its width a frame."""
    return [frame(number) for number in range(count)]


@pytest.fixture(autouse=True)
def _opencv() -> None:
    pytest.importorskip("cv2", reason="OpenCV finds the motion")


def test_shots_begin_at_hard_cuts() -> None:
    frames = Pictures([scene(1)] * 3 + [scene(2)] + [scene(3)] * 2)
    assert list(shots_of(frames)) == [range(3), range(3, 4), range(4, 6)]


def test_pan_is_one_shot_until_it_is_cut() -> None:
    away = [each.flip(2).roll(1, 1) for each in panned(3)]  # upside down, in other colours
    assert list(shots_of(Pictures(panned(4) + away))) == [range(4), range(4, 7)]


def test_flash_is_no_cut() -> None:
    frames = panned(3)
    frames[1] = (1.2 * frames[1] + 0.1).clamp(0, 1)
    assert histogram_distance(frames[0], frames[1]) > 0.25  # colours alone would be a cut
    assert list(shots_of(Pictures(frames))) == [range(3)]


def test_single_frame_is_a_shot() -> None:
    assert list(shots_of(Pictures([scene(1)]))) == [range(1)]


def test_shots_are_found_while_frames_are_read() -> None:
    frames = Pictures([scene(1), scene(2), scene(2), scene(2)])
    assert next(iter(shots_of(frames))) == range(1)
    assert max(frames.read) == 1


def test_shots_follow_flow_that_is_given() -> None:
    frames = Pictures([scene(1)] * 2 + [scene(2)])

    def files(frame: int, other: int) -> Tensor:
        return constant(3 * (frame - other), 0, 48, 64)

    assert list(shots_of(frames, files)) == [range(3)]  # whose ways back agree everywhere
    assert list(shots_of(frames)) == [range(2), range(2, 3)]


def test_distance_of_histograms_is_the_share_of_other_colours() -> None:
    black, half = torch.zeros(1, 3, 4, 6), torch.zeros(1, 3, 4, 6)
    half[..., :3] = 1.0
    assert histogram_distance(black, black) == 0
    assert histogram_distance(black, half) == 0.5
    assert histogram_distance(black, black + 1) == 1


def test_frame_of_which_nothing_is_left_begins_a_shot_in_the_same_colours() -> None:
    frames = [scene(1), scene(1).flip(2, 3)]
    assert histogram_distance(*frames) == 0
    assert len(list(shots_of(Pictures(frames)))) == 2
