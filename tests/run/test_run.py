"""Style transfer as a library: what goes in, what comes out, and that it is the same again."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import vangram
from tests.support import drawn
from vangram.errors import LayerError, NetworkError, PictureError, SettingError, SizeError
from vangram.images import read_recipe, resize
from vangram.optimize import Step
from vangram.optimize.adam import Adam
from vangram.run import Checkpoint, Run, read_checkpoint, write_checkpoint
from vangram.settings.recipe import Init, OptimizerName, Recipe, Units
from vangram.settings.record import Record
from vangram.storage.tensors import SpilledStorage

SMALL: dict[str, Any] = {"size": 64, "steps": 4}
SHALLOW: dict[str, Any] = {
    "content_layers": {"relu3_1": 1.0},
    "style_layers": {"relu1_1": 0.5, "relu2_1": 0.5},
}


def run(transfer: Run) -> tuple[list[Step], vangram.Painting]:
    steps = list(transfer)
    return steps, transfer.painting(steps[-1].image)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("units", ["relative", "paper"])
def test_run_from_noise_lowers_every_term(optimizer: OptimizerName, units: Units) -> None:
    transfer = Run.prepare(
        drawn(48, 64, seed=1),
        drawn(56, 48, seed=2),
        init="noise",
        optimizer=optimizer,
        units=units,
        # In the paper's units content outweighs style by far, unless told otherwise.
        content_weight=1.0 if units == "relative" else 1e-4,
        size=64,
        steps=15,
        levels=1,
        **SHALLOW,
    )
    steps = list(transfer)
    assert steps[-1].loss < 0.5 * steps[0].loss
    first = {(term.kind, term.layer): term.value for term in steps[0].terms}
    last = {(term.kind, term.layer): term.value for term in steps[-1].terms}
    assert len(first) == 5  # content, two of style, total variation, range
    # Over a pixel: mostly within a fortieth of the range.
    assert last.pop(("range", "")) < 0.025**2
    for name, value in last.items():
        assert value < first[name], name


def test_same_seed_gives_the_same_bytes(photo: Path, painting: Path, tmp_path: Path) -> None:
    files = [tmp_path / "one.png", tmp_path / "two.png"]
    for file in files:
        vangram.stylize(photo, painting, init="noise", seed=3, **SMALL).save(file)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_another_seed_gives_another_picture(photo: Path, painting: Path) -> None:
    one, other = (
        vangram.stylize(photo, painting, init="noise", seed=seed, **SMALL).pixels for seed in (3, 4)
    )
    assert not torch.equal(one, other)


def first_image(*sources: Path, **settings: Any) -> torch.Tensor:
    """After one step of Adam, which moves a pixel by no more than its rate."""
    start = sources[2] if len(sources) > 2 else None
    transfer = Run.prepare(
        sources[0], sources[1], start=start, size=64, steps=1, optimizer="adam", **settings
    )
    (step,) = transfer
    return step.image


def test_init_content_starts_from_the_photograph(photo: Path, painting: Path) -> None:
    distance = (first_image(photo, painting) - drawn(48, 64, seed=1)).abs().max()
    # One step of Adam, and rounding.
    assert 0 < float(distance) < Adam().rate * 1.001


def test_init_noise_starts_from_uniform_noise(photo: Path, painting: Path) -> None:
    image = first_image(photo, painting, init="noise", seed=5)
    noise = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(5))
    # One step of Adam, and rounding.
    assert float((image - noise).abs().max()) < Adam().rate * 1.001
    image = first_image(photo, painting, init="noise", seed=5, noise_range=0.1)
    assert float((image - (0.5 + 0.1 * (noise - 0.5))).abs().max()) < Adam().rate * 1.001


def test_start_picture_is_where_the_run_starts(
    photo: Path, painting: Path, saved: Callable[..., Path]
) -> None:
    start = saved("start.png", 48, 64, seed=9)
    image = first_image(photo, painting, start)
    assert float((image - drawn(48, 64, seed=9)).abs().max()) < Adam().rate * 1.001
    assert float((image - drawn(48, 64, seed=1)).abs().max()) > 5 * Adam().rate


def test_start_picture_is_recorded(photo: Path, painting: Path, saved: Callable[..., Path]) -> None:
    start = saved("start.png", 40, 40, seed=9)
    record = Run.prepare(photo, painting, start=start, **SMALL).record
    assert record.recipe.init == "picture"
    assert record.inputs.start is not None
    assert record.inputs.start.path == str(start)
    assert record.inputs.start.sha256 is not None


def test_start_picture_with_another_init_is_refused(photo: Path, painting: Path) -> None:
    with pytest.raises(SettingError, match="go together"):
        Run.prepare(photo, painting, start=photo, init="noise", **SMALL)


def test_init_picture_without_a_start_picture_is_refused(photo: Path, painting: Path) -> None:
    with pytest.raises(SettingError, match="go together"):
        Run.prepare(photo, painting, init="picture", **SMALL)


@pytest.mark.parametrize("side", [48, 64, 70])
def test_result_has_the_size_asked_for(photo: Path, painting: Path, side: int) -> None:
    result = vangram.stylize(photo, painting, size=side, steps=1)
    assert tuple(result.pixels.shape) == (1, 3, (2 * 48 * side + 64) // 128, side)
    assert 0 <= float(result.pixels.min()) <= float(result.pixels.max()) <= 1


def test_levels_double_and_each_goes_on_from_the_last(photo: Path, painting: Path) -> None:
    transfer = Run.prepare(photo, painting, size=64, steps=5, levels=2, **SHALLOW)
    steps = list(transfer)
    assert [step.level.size for step in steps] == [(24, 32)] * 2 + [(48, 64)] * 5
    assert [tuple(step.image.shape[-2:]) for step in steps] == [(24, 32)] * 2 + [(48, 64)] * 5
    assert [step.number for step in steps] == [1, 2, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("init", ["content", "noise"])
def test_next_level_begins_with_the_last_image_and_the_photographs_own_detail(
    photo: Path, painting: Path, init: Init
) -> None:
    transfer = Run.prepare(
        photo, painting, size=64, steps=4, levels=2, init=init, optimizer="adam", **SHALLOW
    )
    steps = list(transfer)
    wanted = resize(steps[0].image, (48, 64))
    if init == "content":
        pixels = drawn(48, 64, seed=1)[None]
        wanted = wanted + resize(pixels, (48, 64)) - resize(resize(pixels, (24, 32)), (48, 64))
    # Adam's first step is 0.02 for every pixel.
    assert float((steps[1].image - wanted).abs().max()) < 0.02 + 1e-6


def test_expected_time_is_in_proportion_to_what_is_left(
    photo: Path, painting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(100))
    monkeypatch.setattr("vangram.run.probe.time.perf_counter", lambda: float(next(ticks)))
    expected = {
        (size, done): Run.prepare(photo, painting, size=size).expected_seconds(done)
        for size, done in ((128, 0.0), (128, 0.75), (256, 0.0))
    }
    assert expected[128, 0.75] == pytest.approx(expected[128, 0.0] / 4)
    # One evaluation of a picture as large as the level took a second: 200 steps, and a few more.
    assert 200 < expected[128, 0.0] == expected[256, 0.0] < 300


def test_time_of_a_long_narrow_picture_is_estimated() -> None:
    run = Run.prepare(drawn(34, 600, 1), drawn(40, 40, 2), size=600, levels=1, steps=1)
    assert run.expected_seconds() > 0


def test_steps_are_pictures_of_their_own(photo: Path, painting: Path) -> None:
    transfer = Run.prepare(photo, painting, **SMALL)
    seen = [(step.image, step.image.clone()) for step in transfer]
    assert len(seen) == 4
    for image, as_it_was in seen:
        assert torch.equal(image, as_it_was)
        assert not image.requires_grad


def test_run_leaves_the_given_pictures_as_they_are() -> None:
    photograph, painting = drawn(48, 64, seed=1), drawn(56, 48, seed=2)
    transfer = Run.prepare(photograph, painting, **SMALL)
    list(transfer)
    assert torch.equal(photograph, drawn(48, 64, seed=1))
    assert torch.equal(painting, drawn(56, 48, seed=2))
    assert transfer.inputs.pictures.content is not None
    assert torch.equal(transfer.inputs.pictures.content.pixels[0], photograph)


def test_iterating_again_gives_the_same_steps(photo: Path, painting: Path) -> None:
    transfer = Run.prepare(photo, painting, init="noise", **SMALL)
    first, second = list(transfer), list(transfer)
    assert [step.loss for step in first] == [step.loss for step in second]
    assert torch.equal(first[-1].image, second[-1].image)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize(("tile", "spilled"), [(None, False), (32, False), (32, True)])
def test_run_goes_on_bit_for_bit_from_every_step(
    photo: Path,
    painting: Path,
    tmp_path: Path,
    optimizer: OptimizerName,
    tile: int | None,
    spilled: bool,
) -> None:
    settings: dict[str, Any] = {"optimizer": optimizer, "tile": tile, "init": "noise"} | SHALLOW
    transfer = Run.prepare(photo, painting, size=64, steps=8, levels=3, **settings)
    if spilled:
        plans = (replace(plan, storage=SpilledStorage(tmp_path)) for plan in transfer.plans)
        transfer = replace(transfer, plans=tuple(plans))
    whole, path = list(transfer), tmp_path / "checkpoint"
    assert len(whole) == 12
    for index, step in enumerate(whole):
        write_checkpoint(path, Checkpoint(transfer.record, step.state))
        rest = list(transfer.steps(read_checkpoint(path).position))
        for ours, theirs in zip(rest, whole[index + 1 :], strict=True):
            assert (ours.level, ours.number) == (theirs.level, theirs.number)
            assert (ours.loss, ours.terms, ours.done) == (theirs.loss, theirs.terms, theirs.done)
            assert torch.equal(ours.image, theirs.image)


def test_run_goes_on_past_a_level_that_ended_early(photo: Path) -> None:
    # At its goal from the start.
    transfer = Run.prepare(photo, photo, size=64, steps=5, levels=2, tv_weight=0, **SHALLOW)
    whole = list(transfer)
    assert whole[0].level.number == 1
    first = [step for step in whole if step.level.number == 1]
    assert len(first) < 5
    rest = list(transfer.steps(first[-1].state))
    assert [step.loss for step in rest] == [step.loss for step in whole[len(first) :]]


def test_run_that_goes_on_lets_go_of_where_it_was(photo: Path, painting: Path) -> None:
    transfer = Run.prepare(photo, painting, optimizer="adam", size=64, steps=4, levels=1, **SHALLOW)
    position = next(iter(transfer)).state
    assert position.optimizer is not None
    kept = [weakref.ref(position.optimizer[name]) for name in ("mean", "square")]
    kept.append(weakref.ref(position.image))
    steps = transfer.steps(position)
    del position
    assert [next(steps).number, next(steps).number] == [2, 3]
    # In the middle of the run, where a second set of vectors would cost memory.
    assert [reference() for reference in kept] == [None, None, None]


def test_alpha_is_kept_at_the_results_size(painting: Path, tmp_path: Path) -> None:
    pixels = drawn(48, 64, seed=1).mul(255).byte().permute(1, 2, 0).numpy()
    alpha = np.full((48, 64, 1), 255, np.uint8)
    alpha[:, :32] = 0
    image = Image.fromarray(np.concatenate([pixels, alpha], axis=2))
    result = vangram.stylize(image, painting, size=64, steps=1)
    assert result.alpha is not None
    with Image.open(result.save(tmp_path / "out.png")) as written:
        assert written.mode == "RGBA"
        kept = np.array(written)[..., 3]
    assert (kept == alpha[..., 0]).all()
    smaller = vangram.stylize(image, painting, size=48, steps=1).alpha
    assert smaller is not None
    assert tuple(smaller.shape) == (1, 1, 36, 48)


def test_opaque_pictures_have_no_alpha(photo: Path, painting: Path) -> None:
    assert vangram.stylize(photo, painting, size=48, steps=1).alpha is None


def test_path_image_and_tensor_give_the_same_picture(photo: Path, painting: Path) -> None:
    with Image.open(photo) as image, Image.open(painting) as painted:
        results = [
            vangram.stylize(photo, painting, **SMALL),
            vangram.stylize(str(photo), str(painting), **SMALL),
            vangram.stylize(image, painted, **SMALL),
            vangram.stylize(drawn(48, 64, seed=1), drawn(56, 48, seed=2), **SMALL),
        ]
    for result in results[1:]:
        assert torch.equal(result.pixels, results[0].pixels)


def test_record_of_pictures_from_memory_has_no_checksum(painting: Path) -> None:
    record = Run.prepare(drawn(48, 64, seed=1), painting, **SMALL).record
    assert [given.sha256 is None for given in record.inputs] == [True, False]


def test_record_travels_in_the_picture(photo: Path, painting: Path, tmp_path: Path) -> None:
    result = vangram.stylize(photo, painting, tv_weight=0.25, **SMALL)
    text = read_recipe(result.save(tmp_path / "out.png"))
    assert text is not None
    record = Record.from_json(text)
    assert [given.path for given in record.inputs] == [photo.name, painting.name]
    assert record.located(tmp_path / "out.png") == result.record
    assert record.finished
    assert record.recipe.tv_weight == 0.25


def test_painting_of_any_step_has_the_full_size_and_says_unfinished(
    photo: Path, painting: Path
) -> None:
    transfer = Run.prepare(photo, painting, size=64, steps=2, levels=2, **SHALLOW)
    first = next(iter(transfer))
    assert tuple(first.image.shape[-2:]) == (24, 32)
    result = transfer.painting(first.image, finished=False)
    assert tuple(result.pixels.shape[-2:]) == (48, 64)
    assert not result.record.finished


def test_style_weight_brings_the_result_nearer_to_the_painting(photo: Path, painting: Path) -> None:
    styles = []
    for weight in (0.01, 100.0):
        transfer = Run.prepare(photo, painting, style_weight=weight, size=64, steps=10, **SHALLOW)
        last = run(transfer)[0][-1]
        styles.append(sum(term.value for term in last.terms if term.kind == "style"))
    assert styles[1] < 0.5 * styles[0]


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"network": "vgg20"}, NetworkError),
        ({"content_layers": {"relu4_9": 1.0}}, LayerError),
        ({"device": "abacus"}, SettingError),
        ({"device": "cuda:99"}, SettingError),
        ({"device": "meta"}, SettingError),
        ({"size": 20}, SizeError),
        ({"size": 1}, SettingError),
    ],
)
def test_prepare_refuses_what_cannot_be_run(
    photo: Path, painting: Path, settings: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        Run.prepare(photo, painting, **{"size": 64} | settings)
    assert "\n" not in str(caught.value)


def test_prepare_refuses_a_painting_too_narrow_for_the_layers(photo: Path) -> None:
    with pytest.raises(SizeError):
        Run.prepare(photo, drawn(2, 300, seed=1), size=64)


def test_prepare_refuses_pictures_that_are_none(photo: Path, tmp_path: Path) -> None:
    with pytest.raises(PictureError):
        Run.prepare(photo, tmp_path / "missing.png")


def test_prepare_changes_a_recipe_by_the_settings_beside_it(photo: Path, painting: Path) -> None:
    recipe = vangram.Recipe(size=48, steps=1)
    transfer = Run.prepare(photo, painting, recipe=recipe, steps=7)
    assert transfer.record.recipe == recipe.replace(steps=7)
    assert recipe.steps == 1


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_run_that_starts_at_its_goal_stays_there(optimizer: OptimizerName) -> None:
    picture = drawn(48, 64, seed=1)
    result = vangram.stylize(
        picture, picture, optimizer=optimizer, size=64, steps=6, levels=1, **SHALLOW
    )
    # Adam's steps are as long for a tiny gradient as for a large one; six of them at most.
    assert float((result.pixels[0] - picture).abs().max()) < 6 * Adam().rate


def test_print_that_fits_without_winograds_filters_goes_without_them() -> None:
    square = drawn(64, 64, seed=1), drawn(64, 64, seed=2)
    short = Run.prepare(*square, size=8192, memory=1_000_000_000)
    assert not short.network.winograd
    assert short.plans[-1].bytes <= 1_000_000_000
    assert Run.prepare(*square, size=8192, memory=4_000_000_000).network.winograd


def test_style_targets_are_computed_after_a_run_without_style_terms(
    photo: Path, painting: Path
) -> None:
    recipe = Recipe(size=64, steps=1, levels=1)
    *_, without = Run.prepare(photo, painting, recipe=recipe.replace(style_weight=0.0))
    *_, styled = Run.prepare(photo, painting, recipe=recipe)
    assert not any(term.kind == "style" for term in without.terms)
    assert {term.layer for term in styled.terms if term.kind == "style"} == set(
        Recipe().style_layers
    )
