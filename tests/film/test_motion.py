"""What other frames hold a frame to, and where the flow comes from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.run.test_warp import constant, write_flow
from tests.support import drawn, rounding
from vangram.film import FlowFolder, Motion
from vangram.film.motion import YOUNG, Warped, held_to
from vangram.images import Picture


class Pictures:
    """Frames in memory, each shown when it is asked for."""

    def __init__(self, pixels: list[Tensor]) -> None:
        self.pixels, self.read = pixels, []  # type: tuple[list[Tensor], list[int]]

    def __len__(self) -> int:
        return len(self.pixels)

    def frame(self, index: int) -> Picture:
        self.read.append(index)
        return Picture(self.pixels[index], None, None, None, str(index))


def target(value: float, trust: float, painted: float = 1.0) -> Warped:
    one = torch.ones(1, 1, 2, 2)
    return Warped(torch.full((1, 3, 2, 2), value), trust * one, painted * one)


def warp_of(seed: int) -> Warped:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.rand(1, 3, 5, 6, generator=generator, dtype=torch.float64)
    trust = torch.rand(1, 1, 5, 6, generator=generator, dtype=torch.float64) / 3
    return Warped(pixels, trust, torch.ones_like(trust))


def test_target_of_several_frames_has_the_gradient_of_their_terms() -> None:
    others = [warp_of(1), warp_of(2), warp_of(3)]
    x = torch.rand(1, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    terms = [(each.trust * (x - each.pixels).square()).mean() for each in others]
    (wanted,) = torch.autograd.grad(torch.stack(terms).sum(), x)
    held = held_to(others)
    assert held.trust.max() < 1  # so that nothing is cut
    found = 2 * held.trust * (x.detach() - held.pixels) / x.numel()
    # Three products summed, divided by a sum, and multiplied by it again; terms of both signs.
    torch.testing.assert_close(found, wanted, rtol=rounding(3, layers=4), atol=1e-16)


def test_place_that_near_frames_do_not_show_is_held_to_a_further_one() -> None:
    held = held_to([target(0.2, 0.0), target(0.6, 0.75)])
    assert float(held.trust[0, 0, 0, 0]) == 0.75
    assert float(held.pixels[0, 0, 0, 0]) == pytest.approx(0.6, rel=1e-6)


def test_two_neighbours_hold_a_frame_no_harder_than_one() -> None:
    held = held_to([target(0.2, 1.0), target(0.4, 1.0)])
    assert float(held.trust.max()) == 1.0
    assert float(held.pixels[0, 0, 0, 0]) == pytest.approx(0.3, rel=1e-6)


def test_thing_that_the_flow_misses_is_not_held_to_what_is_behind_it() -> None:
    behind = drawn(24, 32, 3)[None]
    frames = Pictures([behind.clone(), behind.clone()])
    frames.pixels[1][..., 8:16, 8:16] = 1 - behind[..., 8:16, 8:16].round()
    still = constant(0, 0, 24, 32)
    motion = Motion(frames, (24, 32), lambda frame, other: still)
    found = motion.warp(behind, torch.ones(1, 1, 24, 32), 1, 0)
    assert not found.trust[..., 10:14, 10:14].any()
    assert found.trust[..., :5, :].all()


def test_target_is_that_of_results_that_are_painted_further() -> None:
    held = held_to([target(0.2, 1.0, 0.25), target(0.6, 1.0, 0.75)])
    share = 0.75**YOUNG / (0.25**YOUNG + 0.75**YOUNG)
    assert float(held.pixels[0, 0, 0, 0]) == pytest.approx(0.2 + 0.4 * share, rel=1e-6)
    assert float(held.painted[0, 0, 0, 0]) == pytest.approx(0.25 + 0.5 * share, rel=1e-6)
    assert float(held.trust.min()) == 1.0


def test_nothing_is_held_where_no_flow_is_trusted() -> None:
    held = held_to([target(0.2, 0.0), target(0.6, 0.0)])
    assert not held.trust.any()
    assert held.pixels.isfinite().all()


def test_flow_of_a_folder_leads_both_ways(tmp_path: Path) -> None:
    write_flow(tmp_path / "b.flo", constant(3, 0, 24, 32))
    write_flow(tmp_path / "b-back.flo", constant(-3, 0, 24, 32))
    files = FlowFolder(tmp_path, ["a", "b", "c"], (24, 32))
    frames = Pictures([drawn(24, 32, seed)[None] for seed in range(3)])
    motion = Motion(frames, (48, 64), files)
    flow, back = motion.flows(1, 0)
    torch.testing.assert_close(flow, constant(6, 0, 48, 64))
    torch.testing.assert_close(back, constant(-6, 0, 48, 64))
    back, flow = motion.flows(0, 1)
    torch.testing.assert_close(flow, constant(6, 0, 48, 64))
    assert files(2, 1) is None
    assert files(2, 0) is None


def test_frames_that_are_equal_have_no_motion_and_need_no_opencv(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    frames = Pictures([drawn(24, 32, 1)[None]] * 2)
    flow, back = Motion(frames, (24, 32)).flows(1, 0)
    assert not flow.any()
    assert not back.any()


def test_frame_is_decoded_once_for_all_its_neighbours() -> None:
    pytest.importorskip("cv2", reason="OpenCV finds the motion")
    frames = Pictures([drawn(24, 32, seed)[None] for seed in range(4)])
    motion = Motion(frames, (48, 64))
    for other in (0, 1, 3):
        motion.warp(drawn(48, 64, 9)[None], torch.ones(1, 1, 48, 64), 2, other)
    assert sorted(frames.read) == [0, 1, 2, 3]
