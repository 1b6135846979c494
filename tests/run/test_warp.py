"""Sequences: pictures move with what they show, hold still where nothing moves, and go on."""

from __future__ import annotations

import math
import re
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import grid_sample

import vangram
from tests.conftest import Outcome
from tests.support import batched, drawn, prepared_level, relative_error, rounding
from vangram.engines import engine_for
from vangram.errors import PictureError, SettingError
from vangram.film.footage import in_order
from vangram.images import read_picture, read_recipe
from vangram.images.flow import (
    COLOUR_STEP,
    flow_between,
    read_flow,
    resized_flow,
    same_colours,
    trusted,
    warped,
)
from vangram.networks import FeatureNetwork
from vangram.objective import Evaluation, Objective
from vangram.objective.temporal import TemporalConsistency
from vangram.run import Run
from vangram.run.warp import WarpedResult
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe
from vangram.settings.record import Record

Command = Callable[..., Outcome]
SMALL: dict[str, Any] = {"size": 64, "steps": 20, "levels": 1, "style_layers": {"relu1_1": 1.0}}
SHIFT = 6
"""Pixels that a scene moves to the right from frame to frame."""


def constant(dx: float, dy: float, height: int = 40, width: int = 50) -> Tensor:
    return (
        torch.tensor([float(dx), float(dy)])
        .view(1, 2, 1, 1)
        .expand(1, 2, height, width)
        .contiguous()
    )


def frame(number: int, height: int = 96, width: int = 128) -> Tensor:
    """A part of a wide, soft scene, further to the left in each frame: the scene moves right."""
    scene = torch.nn.functional.interpolate(
        torch.rand(1, 3, 12, 24, generator=torch.Generator().manual_seed(4)), (height, width * 2),
        mode="bicubic",
    ).clamp(0, 1)  # fmt: skip
    first = width // 2 - SHIFT * number
    return scene[..., first : first + width]


@pytest.fixture
def frames(tmp_path: Path) -> list[Path]:
    """Three frames of 64 x 48 px of something that stands still."""
    folder = tmp_path / "frames"
    folder.mkdir()
    levels = drawn(48, 64, 1).mul(255).round().byte().permute(1, 2, 0).contiguous()
    paths = [folder / f"frame-{number}.png" for number in (8, 9, 10)]
    for path in paths:
        Image.fromarray(levels.numpy()).save(path)
    return paths


def write_flow(path: Path, flow: Tensor) -> Path:
    values = flow[0].permute(1, 2, 0).contiguous().numpy().astype("<f4")
    head = b"PIEH" + struct.pack("<ii", values.shape[1], values.shape[0])
    path.write_bytes(head + values.tobytes())
    return path


def test_warped_picture_is_moved_by_the_flow() -> None:
    picture = drawn(40, 50, seed=1)[None]
    moved = warped(picture, constant(3, -2))
    # Whole pixels: bicubic weights are 0 and 1, to rounding.
    torch.testing.assert_close(moved[..., 2:, :-3], picture[..., :-2, 3:], rtol=0, atol=1e-5)


def test_picture_that_is_warped_often_keeps_its_detail() -> None:
    def wave(moved: float) -> Tensor:  # five pixels long
        return torch.sin((torch.arange(80.0) + moved) * 2 * math.pi / 5).expand(1, 1, 40, 80)

    def bicubic(picture: Tensor) -> Tensor:
        at = torch.stack(torch.meshgrid(torch.arange(80) + 0.5, torch.arange(40.0), indexing="xy"))
        at = (2 * at + 1) / torch.tensor([80.0, 40.0]).view(2, 1, 1) - 1
        return grid_sample(picture, at.permute(1, 2, 0)[None], "bicubic", align_corners=False)

    ours = theirs = wave(0)
    for _ in range(8):
        ours, theirs = warped(ours, constant(0.5, 0, 40, 80)), bicubic(theirs)
    # What is beyond the edge is not the wave's, and spreads by the reach of each warp.
    lost = [float((each - wave(4))[..., 20:60].square().mean()) for each in (ours, theirs)]
    assert 0 < lost[0] < 0.5 * lost[1]


def test_flow_of_zero_moves_nothing() -> None:
    picture = drawn(40, 50, seed=1)[None]
    torch.testing.assert_close(warped(picture, constant(0, 0)), picture, rtol=0, atol=1e-5)


def test_resized_flow_is_in_pixels_of_the_new_size() -> None:
    found = resized_flow(constant(4, 2), (20, 100))
    torch.testing.assert_close(found, constant(8, 1, 20, 100))


def test_flow_file_comes_back(tmp_path: Path) -> None:
    flow = torch.randn(1, 2, 7, 9, generator=torch.Generator().manual_seed(1))
    assert torch.equal(read_flow(write_flow(tmp_path / "a.flo", flow), (14, 18)), flow)


@pytest.mark.parametrize(
    "content",
    [b"", b"PIEH", b"JPEG" + b"\0" * 80, b"PIEH" + struct.pack("<ii", 4, 4) + b"\0" * 8,
     b"PIEH" + struct.pack("<ii", -4, 4)],
)  # fmt: skip
def test_file_that_is_no_flow_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.flo"
    path.write_bytes(content)
    with pytest.raises(PictureError) as caught:
        read_flow(path, (4, 4))
    assert "\n" not in str(caught.value)


def test_flow_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = write_flow(tmp_path / "a.flo", constant(1, 2, 30, 40))
    assert read_flow(path, (300, 401)).shape == (1, 2, 30, 40)
    for size in ((40, 30), (30, 60)):
        with pytest.raises(PictureError, match=f"40 x 30 px, and its frame {size[1]} x {size[0]}"):
            read_flow(path, size)


def test_flow_found_is_where_things_were() -> None:
    pytest.importorskip("cv2", reason="OpenCV finds the motion")
    found = flow_between(frame(1), frame(0))
    inner = found[..., 20:-20, 20:-20]
    # A soft scene that moves by whole pixels; the search is good to a fraction of one.
    assert float((inner[:, 0] + SHIFT).abs().median()) < 0.5
    assert float(inner[:, 1].abs().median()) < 0.5


def test_flow_is_trusted_where_the_way_back_agrees() -> None:
    found = trusted(constant(3, 1), constant(-3, -1))
    # The kernel's taps sum to 1 to rounding, once in each direction.
    torch.testing.assert_close(
        found[..., :-4, :-6], torch.ones(1, 1, 36, 44), rtol=0, atol=rounding(7, 2, torch.float32)
    )
    assert not trusted(constant(3, 1), constant(3, 1)).any()


def test_flow_that_leaves_the_picture_is_not_trusted() -> None:
    found = trusted(constant(3, 0), constant(-3, 0))
    assert not found[..., -3:].any()


def test_flow_is_not_trusted_where_motion_changes() -> None:
    flow = constant(0, 0)
    flow[..., 25:] = 8.0
    found = trusted(flow, -flow)
    assert not found[..., 24].any()
    assert (found[..., :20] > 0.999).all()


def test_distrust_grows_outwards_and_ends_softly() -> None:
    back = constant(0, 0)
    back[..., 20, 25] = 9.0  # one pixel is occluded
    row = trusted(constant(0, 0), back)[0, 0, 20]
    # Of -1 at the pixel and 1 around it, blurred once along each axis: 1 - 2 g(x) g(0).
    taps = torch.exp(-0.5 * (torch.arange(-3.0, 4.0) / 0.8).square())
    taps /= taps.sum()
    wanted = (1 - 2 * taps * taps[3]).clamp(0, 1)
    torch.testing.assert_close(row[22:29], wanted, rtol=0, atol=rounding(7, 2, torch.float32))
    assert 0.4 < row[25] < row[24] < row[23] < 1


def test_other_colours_are_not_trusted_but_other_light_is() -> None:
    frame = 0.2 + 0.6 * drawn(24, 32, 3)[None]
    other = frame + 0.15  # the light
    assert torch.equal(same_colours(other, frame), torch.ones(1, 1, 24, 32))
    other[..., 8:16, 8:16] += torch.tensor([2.5 * COLOUR_STEP, 0, 0]).view(1, 3, 1, 1)
    trust = same_colours(other, frame)
    assert not trust[..., 9:15, 9:15].any()
    assert trust[..., :6, :].all()


def test_gradient_against_flicker_is_autograds() -> None:
    image, last = (torch.rand(1, 3, 6, 7, dtype=torch.float64) for _ in range(2))
    weights = torch.rand(1, 1, 6, 7, dtype=torch.float64)

    def nothing(image: Tensor) -> Evaluation:
        return Evaluation(0.0, (), torch.zeros_like(image))

    x = image.clone().requires_grad_()
    loss = 7.0 * (weights * (x - last).square()).mean()
    (wanted,) = torch.autograd.grad(loss, x)
    found = TemporalConsistency(nothing, last, weights, 7.0)(image)
    assert found.loss == pytest.approx(float(loss.detach()), rel=rounding(3 * 6 * 7))
    assert relative_error(found.gradient, wanted) < rounding(1, layers=4)  # four factors
    assert found.terms[-1].kind == "flicker"


@pytest.mark.parametrize("tile", [None, 32])
def test_term_against_flicker_adds_to_either_engine(
    narrow: FeatureNetwork, tile: int | None
) -> None:
    recipe = Recipe(style_layers={"relu2_1": 1.0}, content_layers={"relu3_1": 1.0})
    image, content, last = (batched(64, 80, seed) for seed in (1, 2, 3))
    objective = Objective.of(recipe, narrow, content, batched(48, 56, 4))
    engine = engine_for((64, 80), tile, narrow, objective)
    weights = torch.rand(1, 1, 64, 80, dtype=torch.float64)
    x = image.clone().requires_grad_()
    term = 300.0 * (weights * (x - last).square()).mean()
    (added,) = torch.autograd.grad(term, x)
    alone = engine(image)
    loss, grad = alone.loss, alone.gradient.clone()
    found = TemporalConsistency(engine, last, weights, 300.0)(image)
    assert found.loss == pytest.approx(loss + float(term.detach()), rel=rounding(3 * 64 * 80))
    # The engine's own sums are the same both times; two terms of like size are added.
    assert relative_error(found.gradient, grad + added) < rounding(1, layers=5)


def test_next_frame_begins_where_the_last_result_has_moved(painting: Path, tmp_path: Path) -> None:
    last, photo, frame_before = (drawn(48, 64, seed) for seed in (5, 1, 2))
    frame_before[..., 4:] = photo[..., :-4]
    flow = write_flow(tmp_path / "a.flo", constant(4, 0, 48, 64))
    back = write_flow(tmp_path / "b.flo", constant(-4, 0, 48, 64))
    run = Run.prepare(
        photo, painting, before=last, before_frame=frame_before, flow=flow, flow_back=back, **SMALL
    )
    assert run.recipe.init == "before"
    first = prepared_level(run).first
    # But near what comes in, where the trust fades over the three pixels that its blur covers.
    torch.testing.assert_close(first[0, ..., :-7], last[..., 4:-3], rtol=0, atol=1e-4)
    # What came in from beyond the edge is the photograph's, in soft other colours.
    tint = first[0, ..., -4:] - photo[..., -4:]
    assert tint.any()
    # At most a cell's average over its side from pixel to pixel.
    assert float(tint.diff(dim=1).abs().max()) < 1 / 16


def test_what_comes_into_sight_begins_in_the_colours_around_it(painting: Path) -> None:
    photo = drawn(48, 64, seed=1)
    other = torch.tensor([0.3, -0.2, 0.1]).view(3, 1, 1)
    trust = torch.ones(1, 1, 48, 64)
    trust[..., 40:] = 0
    held = WarpedResult((photo + other)[None], trust)
    run = Run.of(
        Inputs(content=read_picture(photo), styles=(read_picture(painting),)),
        Recipe(**SMALL, init="before"),
        held,
    )
    first = prepared_level(run).first
    # The change is the same everywhere, and so is each of its averages, to rounding.
    torch.testing.assert_close(
        first[0], photo + other, rtol=0, atol=rounding(16 * 16, 3, torch.float32)
    )


def test_identical_frames_stay_still(frames: list[Path], painting: Path, tmp_path: Path) -> None:
    first = vangram.stylize(frames[0], painting, **SMALL)
    first.save(tmp_path / "first.png")
    after: dict[str, Any] = {"before": tmp_path / "first.png", "before_frame": frames[0]}
    still = Run.prepare(frames[1], painting, **after, **SMALL)
    loose = Run.prepare(frames[1], painting, flicker_weight=0.0, **after, **SMALL)
    moved = []
    for run in (still, loose):
        *_, step = run
        moved.append(float((run.painting(step.image).pixels - first.pixels).abs().mean()))
    painted = float((first.pixels - read_picture(frames[0]).pixels).abs().mean())
    assert moved[0] < 1 / 255 < 0.1 * painted  # a level, half of which is the file's rounding
    assert moved[0] < moved[1]


@pytest.mark.parametrize(
    "change",
    [{"before": None}, {"before_frame": None}, {"init": "noise"}, {"before": None,
     "before_frame": None, "flow": "a.flo", "init": "content"}, {"flow_back": "a.flo"}],
)  # fmt: skip
def test_parts_of_a_sequence_that_do_not_fit_are_refused(
    frames: list[Path], painting: Path, change: dict[str, Any]
) -> None:
    given: dict[str, Any] = {"before": frames[0], "before_frame": frames[0]} | change
    with pytest.raises(SettingError):
        Run.prepare(frames[1], painting, **given, **SMALL)


def test_frames_are_in_the_order_of_their_numbers() -> None:
    names = ["f10.png", "f9.png", "a/f2.png", "f1.png"]
    assert in_order(names) == ["f1.png", "a/f2.png", "f9.png", "f10.png"]


def painted(command: Command, frames: list[Path], painting: Path, out: Path, *more: object) -> None:
    words = ("--size", 48, "--steps", 2, "-q", "--sequence", *more)
    outcome = command("batch", frames[0].parent, painting, "-o", out, *words)
    assert outcome.code == 0, outcome.err


def test_batch_of_a_sequence_is_a_film_and_is_made_again(
    command: Command, frames: list[Path], painting: Path, tmp_path: Path
) -> None:
    pytest.importorskip("cv2", reason="OpenCV finds the motion")
    out, recipe = tmp_path / "out", tmp_path / "film.toml"
    recipe.write_text("frame_steps = 1\npasses = 1\n")
    painted(command, frames, painting, out, "--recipe", recipe)
    results = [out / painting.stem / frame.name for frame in frames]
    assert sorted((out / painting.stem).iterdir()) == sorted(results)
    for result in results:
        record = Record.from_json(read_recipe(result) or "")
        assert (record.recipe.steps, record.recipe.init) == (2, "content")
        assert record.film is not None
    words = ("--size", 48, "--steps", 2, "--frame-steps", 1, "--passes", 1, "-q")
    outcome = command("film", frames[0].parent, painting, "-o", tmp_path / "film", *words)
    assert outcome.code == 0, outcome.err
    for result in results:
        again = read_picture(tmp_path / "film" / result.name)
        assert torch.equal(again.pixels, read_picture(result).pixels)


def test_sequence_without_opencv_is_refused_before_work(
    command: Command,
    frames: list[Path],
    painting: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    out, words = tmp_path / "out", ("--size", 48, "--steps", 1, "-q")
    batch = command("batch", frames[0].parent, painting, "-o", out, *words, "--sequence")
    before = ("--before", frames[0], "--before-frame", frames[0])
    one = command("stylize", frames[1], painting, "-o", tmp_path / "one.png", *words, *before)
    for outcome in (batch, one):
        assert outcome.code == 2
        (line,) = outcome.err.splitlines()
        assert re.search("needs? OpenCV", line)
    assert not out.exists()
    assert not list(tmp_path.glob("one.png*"))


def test_sequence_without_its_flows_is_refused_before_work(
    command: Command, frames: list[Path], painting: Path, tmp_path: Path
) -> None:
    flows = tmp_path / "flows"
    flows.mkdir()
    words = ("-o", tmp_path / "out", "--size", 48, "--steps", 1)
    outcome = command("batch", frames[0].parent, painting, *words, "--sequence", "--flow", flows)
    assert outcome.code == 2
    (line,) = outcome.err.splitlines()
    assert "frame-9" in line
    outcome = command("batch", frames[0].parent, painting, *words, "--flow", flows)
    assert outcome.code == 2
    assert "--sequence" in outcome.err


def test_flicker_weight_is_a_setting() -> None:
    recipe = vangram.Recipe(flicker_weight=5)
    assert vangram.Recipe.from_dict(recipe.to_dict()) == recipe
    with pytest.raises(SettingError):
        vangram.Recipe(flicker_weight=-1)
