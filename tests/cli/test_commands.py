"""The command line, mostly in this process: options, refusals, exit codes, and `rerun`."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.nn import functional

from tests.conftest import Outcome
from tests.support import descending, drawn, refused_descent, stopped_by
from vangram.api import stylize
from vangram.cli import commands
from vangram.cli.app import COMMANDS, load_command
from vangram.errors import DivergedError
from vangram.images import read_picture, read_recipe, write_picture
from vangram.optimize import Step
from vangram.settings.fields import settings_of
from vangram.settings.recipe import LARGEST_SIZE, Recipe
from vangram.settings.record import Record
from vangram.storage.locks import claim

Command = Callable[..., Outcome]
QUICK = ("--size", 48, "--steps", 2)
NO_OPTIONS = {"proportions", "each_style_layers", "frame_steps", "passes", "remember"}
"""Settings from the photograph, from an option given several times, and of films alone."""


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out.png"


@pytest.fixture
def no_work() -> Iterator[None]:
    """Fail where the optimisation would begin."""
    with descending(refused_descent):
        yield


def assert_refused(outcome: Outcome, *said: str) -> None:
    assert outcome.code == 2, outcome.err
    assert outcome.out == ""
    (line,) = outcome.err.splitlines()
    assert line.startswith("vangram: error: ")
    assert "Traceback" not in line
    for words in said:
        assert words in line


def test_every_setting_of_the_recipe_is_an_option_with_its_default() -> None:
    options = {option.name: option for option in load_command("stylize").params}
    for name, setting in settings_of(Recipe).items():
        if name in NO_OPTIONS:
            continue
        default = options[name].default
        if setting.is_switch:
            assert default is setting.default
        elif default is None:
            assert name in ("blend", "levels", "memory", "tile")
            assert options[name].show_default == setting.unset
        else:
            texts = default if isinstance(default, list) else [default]
            assert setting.given(*texts)[name] == setting.default


def test_every_option_reaches_the_recipe(
    command: Command, photo: Path, painting: Path, output: Path
) -> None:
    given = {
        "size": 50,
        "steps": 3,
        "seed": 11,
        "content_weight": 0.5,
        "style_weight": 7.0,
        "tv_weight": 0.125,
        "content_layers": {"relu3_1": 2.0},
        "style_layers": {"relu1_1": 0.5, "relu2_1": 1.0},
        "units": "paper",
        "network": "vgg19-lite",
        "optimizer": "adam",
        "tolerance": 0.25,
        "levels": 1,
        "tile": 32,
        "memory": "2GB",
        "device": "cpu",
        "precision": "tf32",
        "init": "noise",
        "pooling": "average",
        "colour": "match",
        "normalise": True,
        "noise_range": 0.5,
        "range_weight": 20.0,
        "blend": (2.0,),
        "style_size": 0.5,
        "flicker_weight": 100.0,
        "style_loss": "gram+moments",
    }
    assert set(given) == set(settings_of(Recipe)) - NO_OPTIONS
    words: list[object] = []
    for name, value in given.items():
        if value is True:
            words.append("--" + name)
            continue
        if isinstance(value, tuple):
            value = ",".join(map(str, value))
        if isinstance(value, dict):
            value = ",".join(f"{layer}={weight}" for layer, weight in value.items())
        words += ["--" + name.replace("_", "-"), value]
    outcome = command("stylize", photo, painting, "-o", output, *words)
    assert outcome.code == 0, outcome.err
    text = read_recipe(output)
    assert text is not None
    wanted = Recipe.from_dict(given | {"memory": 2_000_000_000})
    assert Record.from_json(text).recipe == wanted


def test_stylize_writes_the_picture_and_prints_its_path_last(
    command: Command, photo: Path, painting: Path, output: Path
) -> None:
    outcome = command("stylize", photo, painting, "--output", output, *QUICK)
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[-1] == str(output)
    assert read_picture(output).size == (36, 48)


def test_command_line_gives_the_bytes_that_the_library_gives(
    command: Command, photo: Path, painting: Path, output: Path, tmp_path: Path
) -> None:
    command("stylize", photo, painting, "-o", output, *QUICK)
    stylize(str(photo), str(painting), size=48, steps=2).save(tmp_path / "library.png")
    assert (tmp_path / "library.png").read_bytes() == output.read_bytes()


def test_init_takes_a_pictures_path(
    command: Command, photo: Path, painting: Path, output: Path, saved: Callable[..., Path]
) -> None:
    start = saved("start.png", seed=7)
    outcome = command("stylize", photo, painting, "-o", output, *QUICK, "--init", start)
    assert outcome.code == 0, outcome.err
    text = read_recipe(output)
    assert text is not None
    record = Record.from_json(text)
    assert record.inputs.start is not None
    assert record.inputs.start.path == start.name  # relative to the result


def test_quiet_says_nothing_but_the_path(
    command: Command, photo: Path, painting: Path, output: Path
) -> None:
    outcome = command("stylize", photo, painting, "-o", output, *QUICK, "--quiet")
    assert outcome == Outcome(0, f"{output}\n", "")


def test_progress_for_programs_is_an_event_a_line(
    command: Command, photo: Path, painting: Path, output: Path
) -> None:
    outcome = command("stylize", photo, painting, "-o", output, *QUICK, "--progress", "json")
    assert (outcome.code, outcome.out) == (0, f"{output}\n")
    first, *steps, last = map(json.loads, outcome.err.splitlines())
    assert (first["event"], first["state"]) == ("job", "running")
    assert first["plan"]["seconds"] > 0
    steps_of_levels = [
        (number, step)
        for number, level in enumerate(first["plan"]["levels"], 1)
        for step in range(1, level["steps"] + 1)
    ]
    assert [(each["level"], each["step"]) for each in steps] == steps_of_levels
    assert all((e["event"], e["state"]) == ("progress", "running") for e in steps)
    assert sum(steps[-1]["terms"].values()) == pytest.approx(steps[-1]["loss"])
    assert steps[-1]["done"] == 1.0
    expected = {"event": "job", "state": "finished", "result": str(output), "error": None}
    assert last == expected


def test_end_that_comes_early_is_an_event(
    command: Command, photo: Path, painting: Path, output: Path
) -> None:
    def diverging(*arguments: object) -> Iterator[Step]:
        raise DivergedError("the loss became inf")

    with descending(diverging):
        outcome = command("stylize", photo, painting, "-o", output, *QUICK, "--progress", "json")
    assert (outcome.code, outcome.out) == (1, "")
    _, event, line = outcome.err.splitlines()
    assert json.loads(event) == {
        "event": "job", "state": "failed", "result": None, "error": "the loss became inf"
    }  # fmt: skip
    assert line == "vangram: error: the loss became inf"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--flicker-weight", 3], "flicker_weight has no effect: there is no frame before"),
        (["--blend", 1], "blend has no effect: there is one painting"),
        (["--seed", 4], "seed has no effect: the first image is not noise"),
        (["--noise-range", 0.5], "noise_range has no effect: the first image is not noise"),
        (
            ["--content-weight", 0, "--content-layers", "relu2_1"],
            "content_layers has no effect: content_weight is 0",
        ),
        (
            ["--style-weight", 0, "--style-loss", "wasserstein"],
            "style_loss has no effect: style_weight is 0",
        ),
    ],
)
def test_setting_without_effect_is_told(
    command: Command, photo: Path, painting: Path, output: Path, words: list[object], said: str
) -> None:
    outcome = command("stylize", photo, painting, "-o", output, *QUICK, *words, "--quiet")
    assert outcome == Outcome(0, f"{output}\n", f"vangram: note: {said}\n")


@pytest.mark.parametrize(
    "words",
    [
        ["--init", "noise", "--seed", 4, "--noise-range", 0.5],
        ["--content-weight", 0, "--style-loss", "gram"],
        ["--preset", "abstract", "--seed", 4],
    ],
)
def test_setting_with_effect_is_not_told(
    command: Command, photo: Path, painting: Path, output: Path, words: list[object]
) -> None:
    outcome = command("stylize", photo, painting, "-o", output, *QUICK, *words, "--quiet")
    assert outcome == Outcome(0, f"{output}\n", "")


def test_first_image_given_twice_is_refused(
    command: Command, photo: Path, painting: Path, output: Path
) -> None:
    words = ("--init", "noise", "--before", photo, "--before-frame", photo)
    outcome = command("stylize", photo, painting, "-o", output, *QUICK, *words)
    assert_refused(outcome, "give it or --init, not both")


def test_progress_off_a_terminal_is_plain_lines(
    command: Command, photo: Path, painting: Path, output: Path
) -> None:
    outcome = command(
        "stylize", photo, painting, "-o", output, *QUICK, "--tv-weight", 0.1, "--levels", 1
    )
    means, line = outcome.err.splitlines()[:2]
    assert re.fullmatch(
        r"vangram: 48 x 36 px all at once, L-BFGS with 20 pairs, about 0\.\d GB, \d+ s at most",
        means,
    )
    for words in ("48x36 (level 1/1)", "step 1/2", "loss ", "content ", "style ", "tv "):
        assert words in line
    assert " left" not in line  # the pace is known from the second step on
    assert "\x1b" not in outcome.err


def test_every_level_has_its_line(
    command: Command, photo: Path, painting: Path, output: Path
) -> None:
    layers = ("--content-layers", "relu2_1", "--style-layers", "relu1_1", "--levels", 2)
    outcome = command("stylize", photo, painting, "-o", output, *QUICK, *layers)
    assert "24x18 (level 1/2)  step 1/1" in outcome.err
    assert "48x36 (level 2/2)  step 1/2" in outcome.err


def test_preview_and_timelapse_are_written(
    command: Command, photo: Path, painting: Path, output: Path, tmp_path: Path
) -> None:
    preview, timelapse = tmp_path / "preview.png", tmp_path / "timelapse.webp"
    words = ("--preview", preview, "--timelapse", timelapse, "--size", 48, "--steps", 5)
    noise = ("--init", "noise", "--optimizer", "adam")  # so that no two steps look alike
    outcome = command("stylize", photo, painting, "-o", output, *words, *noise)
    assert outcome.code == 0, outcome.err
    # Both are 8-bit and lossless.
    assert (read_picture(preview).pixels == read_picture(output).pixels).all()
    assert read_recipe(preview) is None
    with Image.open(timelapse) as film:
        assert film.format == "WEBP"
        assert film.size == (48, 36)
        # One of each step; the last one's is the result itself, and may be merged with it.
        assert getattr(film, "n_frames", 1) in (5, 6)
        film.seek(getattr(film, "n_frames", 1) - 1)
        last = read_picture(film.convert("RGB")).pixels
    # WebP of quality 90 loses much of the grain of noise, but not the patches under it.
    lost = functional.avg_pool2d(last - read_picture(output).pixels, 6)
    assert float(lost.abs().mean()) < 0.05


def bad_pictures(tmp_path: Path) -> dict[str, Path]:
    whole = tmp_path / "whole.png"
    write_picture(whole, drawn(48, 64, seed=1)[None])
    files = {
        "missing": b"",
        "text.jpg": b"this is no picture",
        "truncated.png": whole.read_bytes()[: whole.stat().st_size // 2],
        "empty.png": b"",
    }
    paths = {}
    for name, content in files.items():
        paths[name] = tmp_path / name
        if name != "missing":
            paths[name].write_bytes(content)
    paths["folder"] = tmp_path / "folder"
    paths["folder"].mkdir()
    paths["dot.png"] = tmp_path / "dot.png"
    Image.new("RGB", (1, 1)).save(paths["dot.png"])
    return paths


@pytest.mark.parametrize("role", ["photo", "painting", "start"])
@pytest.mark.parametrize(
    "bad", ["missing", "text.jpg", "truncated.png", "empty.png", "folder", "dot.png"]
)
@pytest.mark.usefixtures("no_work")
def test_bad_picture_is_refused(
    command: Command,
    photo: Path,
    painting: Path,
    output: Path,
    tmp_path: Path,
    role: str,
    bad: str,
) -> None:
    path = bad_pictures(tmp_path)[bad]
    given = {"photo": photo, "painting": painting, "start": photo} | {role: path}
    words = ("--init", given["start"]) if role == "start" else ()
    outcome = command("stylize", given["photo"], given["painting"], "-o", output, *QUICK, *words)
    assert_refused(outcome, path.name)
    assert not output.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--size", 0], "size"),
        (["--size", 1_000_000], "size"),
        (["--size", 20], "too small"),
        (["--size", "big"], "size needs a whole number from 2 to 32768 px, not 'big'"),
        (["--steps", 0], "steps"),
        (["--steps", "1.5"], "steps needs a whole number"),
        (["--tv-weight", "some"], "tv_weight needs a number"),
        (["--levels", 0], "levels"),
        (["--seed", -1], "seed"),
        (["--content-weight", -1], "content_weight"),
        (["--style-weight", "nan"], "style_weight"),
        (["--tv-weight", "inf"], "tv_weight"),
        (["--content-weight", 0, "--style-weight", 0], "zero"),
        (["--content-layers", "relu4_9"], "relu4_9"),
        (["--style-layers", "conv1_1"], "conv1_1"),
        (["--style-layers", "relu1_1=much"], "relu1_1=much"),
        (["--style-layers", "relu1_1=-1"], "relu1_1"),
        (["--style-layers", "relu1_1,relu1_1"], "twice"),
        (["--content-layers", "", "--style-layers", ""], "zero"),
        (["--memory", "2"], "memory '2' has no unit: give one, as in 4GB"),
        (["--memory", "much"], "no amount of memory"),
        (["--network", "vgg20"], "vgg20"),
        (["--device", "abacus"], "abacus"),
        (["--optimizer", "sgd"], "sgd"),
        (["--units", "metric"], "metric"),
        (["--colour", "sepia"], "style, luminance, match, histogram"),
        (["--style-loss", "histogram"], "gram, gram+moments, wasserstein, not 'histogram'"),
        (["--preview", "preview.gif"], "preview.gif"),
        (["--timelapse", "missing/t.webp"], "folder"),
        (["--timelapse", "timelapse.png"], ".webp"),
    ],
)
@pytest.mark.usefixtures("no_work")
def test_bad_setting_is_refused(
    command: Command,
    photo: Path,
    painting: Path,
    output: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[object],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    assert_refused(command("stylize", photo, painting, "-o", output, *QUICK, *words), said)
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "words",
    [
        ["--hue"],
        ["--output"],
    ],
)
@pytest.mark.usefixtures("no_work")
def test_bad_usage_has_exit_code_2(
    command: Command, photo: Path, painting: Path, output: Path, words: list[str]
) -> None:
    outcome = command("stylize", photo, painting, "-o", output, *words)
    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    assert not output.exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("out.gif", "names no format"),
        ("out", "names no format"),
        ("missing/out.png", "folder"),
        ("", "folder"),
    ],
)
@pytest.mark.usefixtures("no_work")
def test_output_that_cannot_be_written_is_refused(
    command: Command, photo: Path, painting: Path, tmp_path: Path, name: str, said: str
) -> None:
    outcome = command("stylize", photo, painting, "-o", tmp_path / name, *QUICK)
    if name:
        assert_refused(outcome, said)
    else:
        assert_refused(outcome)


@pytest.mark.usefixtures("no_work")
def test_output_too_large_for_its_format_is_refused_before_work(
    command: Command, painting: Path, saved: Callable[..., Path], tmp_path: Path
) -> None:
    # A WebP ends at 16,383 pixels.
    layers = ("--content-layers", "relu1_1", "--style-layers", "relu1_1", "--levels", 1)
    strip = saved("strip.png", 4, 2000)
    outcome = command(
        "stylize", strip, painting, "-o", tmp_path / "out.webp", "--size", 17_000, *layers
    )
    assert_refused(outcome, "16383")


@pytest.mark.usefixtures("no_work")
def test_size_in_a_message_is_width_by_height(
    command: Command, painting: Path, output: Path, saved: Callable[..., Path]
) -> None:
    line = saved("line.png", 1, 320)
    assert_refused(command("stylize", line, painting, "-o", output), "has 320 x 1 px")


@pytest.mark.usefixtures("no_work")
def test_size_advised_is_one_that_can_be_given(
    command: Command, painting: Path, saved: Callable[..., Path], tmp_path: Path
) -> None:
    def refused(*words: object) -> str:
        outcome = command("stylize", photo, painting, "-o", tmp_path / "out.png", *words)
        assert_refused(outcome, "too small")
        return outcome.err

    photo = saved("photo.png", 30, 60)
    advised = re.search(r"use --size (\d+), or", refused("--size", 20))
    assert advised is not None
    assert int(advised[1]) <= LARGEST_SIZE
    refused("--size", int(advised[1]) - 1)
    photo = saved("strip.png", 2, 6000)  # the layers would need a longer side of 48,000 px
    assert "use a picture less narrow, or shallower layers" in refused("--size", 6000)


@pytest.mark.usefixtures("no_work")
def test_existing_output_is_refused_and_unchanged(
    command: Command, photo: Path, painting: Path, output: Path
) -> None:
    output.write_bytes(b"precious")
    assert_refused(command("stylize", photo, painting, "-o", output, *QUICK), "--force")
    assert output.read_bytes() == b"precious"


def test_existing_output_is_overwritten_with_force(
    command: Command, photo: Path, painting: Path, output: Path
) -> None:
    output.write_bytes(b"not precious")
    assert command("stylize", photo, painting, "-o", output, *QUICK, "--force").code == 0
    assert read_picture(output).size == (36, 48)


@pytest.mark.parametrize("role", ["photo", "painting", "start"])
@pytest.mark.parametrize("option", ["--output", "--preview", "--timelapse"])
@pytest.mark.usefixtures("no_work")
def test_output_that_is_an_input_is_refused_even_with_force(
    command: Command,
    painting: Path,
    output: Path,
    saved: Callable[..., Path],
    role: str,
    option: str,
) -> None:
    given = {name: saved(f"{name}.webp") for name in ("photo", "painting", "start")}
    before = given[role].read_bytes()
    words = {"--output": output} | {option: given[role].parent / "." / given[role].name}
    outcome = command(
        "stylize",
        given["photo"],
        given["painting"],
        *(word for pair in words.items() for word in pair),
        *("--init", given["start"], "--force", *QUICK),
    )
    assert_refused(outcome, given[role].name)
    assert given[role].read_bytes() == before


@pytest.mark.usefixtures("no_work")
def test_two_outputs_of_one_name_are_refused(
    command: Command, photo: Path, painting: Path, output: Path
) -> None:
    outcome = command("stylize", photo, painting, "-o", output, "--preview", output, *QUICK)
    assert_refused(outcome, "two outputs")


@pytest.mark.usefixtures("no_work")
def test_error_stays_on_one_line_whatever_the_path(
    command: Command, photo: Path, painting: Path, tmp_path: Path
) -> None:
    output = tmp_path / "two\nlines.png"
    output.write_bytes(b"precious")
    assert_refused(command("stylize", photo, painting, "-o", output, *QUICK))


@pytest.fixture
def made(command: Command, photo: Path, painting: Path, output: Path) -> Path:
    """A picture that the command line has made."""
    words = ("--init", "noise", "--seed", 4)
    assert command("stylize", photo, painting, "-o", output, *QUICK, *words).code == 0
    return output


def test_rerun_gives_the_same_bytes_and_says_so(command: Command, made: Path) -> None:
    outcome = command("rerun", made)
    again = made.with_stem("out-rerun")
    assert outcome.code == 0
    assert outcome.out.splitlines()[-1] == str(again)
    assert again.read_bytes() == made.read_bytes()
    assert f"the same bytes as {made}" in outcome.err
    assert "note" not in outcome.err


@pytest.mark.parametrize("kind", ["stylize", "texture"])
@pytest.mark.parametrize("style_loss", ["gram+moments", "wasserstein"])
def test_rerun_gives_the_same_bytes_with_every_style_loss(
    command: Command, photo: Path, painting: Path, output: Path, kind: str, style_loss: str
) -> None:
    pictures = (photo, painting) if kind == "stylize" else (painting,)
    plain = output.with_stem("plain")
    words = (*QUICK, "--style-loss", style_loss)
    assert command(kind, *pictures, "-o", output, *words).code == 0
    assert command(kind, *pictures, "-o", plain, *QUICK).code == 0
    assert not (read_picture(plain).pixels == read_picture(output).pixels).all()
    outcome = command("rerun", output)
    assert outcome.code == 0, outcome.err
    assert output.with_stem("out-rerun").read_bytes() == output.read_bytes()


@pytest.mark.parametrize(("role", "name"), [("content", "photo"), ("style", "painting")])
def test_rerun_notices_a_changed_input(
    command: Command, made: Path, saved: Callable[..., Path], role: str, name: str
) -> None:
    saved(f"{name}.png", seed=8)
    outcome = command("rerun", made)
    assert outcome.code == 0
    assert f"vangram: note: the {role} is not the same file" in outcome.err
    assert "not the same pixels" in outcome.err
    assert "which the differences above explain" in outcome.err


def test_rerun_whose_bytes_differ_without_a_reason_fails(command: Command, made: Path) -> None:
    text = read_recipe(made)
    assert text is not None
    pixels = read_picture(made).pixels.clone()
    pixels[0, 0, 0, 0] = 1 - pixels[0, 0, 0, 0].round()
    write_picture(made, pixels, recipe=text)
    outcome = command("rerun", made)
    assert outcome.code == 1
    assert "although inputs, settings and versions are the same" in outcome.err


def test_rerun_whose_metadata_alone_differ_says_that_the_pixels_are_the_same(
    command: Command, made: Path
) -> None:
    text = read_recipe(made)
    assert text is not None
    reordered = json.dumps(dict(reversed(json.loads(text).items())))  # as another version would
    write_picture(made, read_picture(made).pixels, recipe=reordered)
    outcome = command("rerun", made)
    assert outcome.code == 0, outcome.err
    assert made.with_stem("out-rerun").read_bytes() != made.read_bytes()
    assert f"the same pixels as {made}; its metadata differ" in outcome.err


def test_rerun_tells_pixels_from_alpha(command: Command, made: Path) -> None:
    text, pixels = read_recipe(made), read_picture(made).pixels
    write_picture(made, pixels, alpha=torch.full_like(pixels[:, :1], 0.5), recipe=text)
    outcome = command("rerun", made)
    assert outcome.code == 1
    assert "not the same pixels" in outcome.err


def test_rerun_finds_inputs_beside_the_picture(
    command: Command, made: Path, photo: Path, painting: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in (made, photo, painting):
        path.rename(moved / path.name)
    outcome = command("rerun", moved / made.name)
    assert outcome.code == 0
    assert "the same bytes" in outcome.err


def test_rerun_takes_inputs_from_where_they_are_now(
    command: Command, made: Path, photo: Path, tmp_path: Path
) -> None:
    photo.rename(tmp_path / "elsewhere.png")
    assert_refused(command("rerun", made), "--content")
    outcome = command("rerun", made, "--content", tmp_path / "elsewhere.png")
    assert outcome.code == 0, outcome.err
    # The path is part of the record, so it alone may differ.
    again = made.with_stem("out-rerun")
    assert (read_picture(again).pixels == read_picture(made).pixels).all()


def test_rerun_follows_a_start_picture(
    command: Command, photo: Path, painting: Path, output: Path, saved: Callable[..., Path]
) -> None:
    start = saved("start.png", seed=7)
    command("stylize", photo, painting, "-o", output, *QUICK, "--init", start)
    outcome = command("rerun", output)
    assert outcome.code == 0, outcome.err
    assert "the same bytes" in outcome.err


@pytest.mark.usefixtures("no_work")
def test_rerun_of_a_picture_without_recipe_is_refused(command: Command, photo: Path) -> None:
    assert_refused(command("rerun", photo), "no recipe")


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        "{}",
        '{"format": 99}',
        '{"format": 1}',
        '{"format": 1, "recipe": {"hue": 1}}',
        '{"format": 1, "recipe": {"size": -1}}',
        json.dumps(
            {
                "format": 1,
                "recipe": {},
                "content": None,
                "style": None,
                "network_sha256": "",
                "versions": {},
            }
        ),
        json.dumps(
            {
                "format": 1,
                "recipe": {"size": 10**400},
                "content": {"path": "a", "sha256": None},
                "style": {"path": "a", "sha256": None},
                "network_sha256": "",
                "versions": {},
            }
        ).replace('"size"', '"tv_weight"'),
    ],
    ids=[
        "text",
        "list",
        "nothing",
        "newer",
        "bare",
        "unknown",
        "range",
        "no content",
        "huge number",
    ],
)
@pytest.mark.usefixtures("no_work")
def test_rerun_of_a_damaged_recipe_is_refused(command: Command, tmp_path: Path, text: str) -> None:
    picture = tmp_path / "damaged.png"
    write_picture(picture, drawn(48, 64, seed=1)[None], recipe=text)
    assert_refused(command("rerun", picture), "recipe")


def test_rerun_never_overwrites_the_picture_itself(command: Command, made: Path) -> None:
    before = made.read_bytes()
    assert_refused(command("rerun", made, "-o", made, "--force"), "one of the pictures given")
    assert made.read_bytes() == before


def test_rerun_of_a_picture_from_memory_asks_for_it(
    command: Command, painting: Path, output: Path, photo: Path
) -> None:
    stylize(drawn(48, 64, seed=1), str(painting), size=48, steps=1).save(output)
    assert_refused(command("rerun", output), "--content")
    assert command("rerun", output, "--content", photo).code == 0


def test_failure_nobody_expected_is_one_line_and_exit_code_1(
    command: Command, photo: Path, painting: Path, output: Path
) -> None:
    with descending(stopped_by(RuntimeError("two\nlines"), after=0)):
        outcome = command("stylize", photo, painting, "-o", output, *QUICK, "--quiet")
    assert outcome.code == 1
    (line,) = outcome.err.splitlines()
    assert line.startswith("vangram: error: unexpected: RuntimeError: two lines")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_lack_of_memory_is_told_as_such(
    command: Command,
    photo: Path,
    painting: Path,
    output: Path,
    error: Exception,
) -> None:
    with descending(stopped_by(error, after=0)):
        outcome = command("stylize", photo, painting, "-o", output, *QUICK)
    assert outcome.code == 1
    assert "smaller --size" in outcome.err


def test_interrupt_before_any_work_has_exit_code_130(
    command: Command, photo: Path, painting: Path, output: Path
) -> None:
    with descending(stopped_by(KeyboardInterrupt(), after=0)):
        outcome = command("stylize", photo, painting, "-o", output, *QUICK)
    assert outcome.code == 130
    assert "Traceback" not in outcome.err
    assert outcome.out == ""
    assert not output.exists()


def test_help_names_every_option(command: Command) -> None:
    outcome = command("stylize", "--help")
    assert outcome.code == 0
    for name in set(settings_of(Recipe)) - NO_OPTIONS:
        assert "--" + name.replace("_", "-") in outcome.out


def test_help_shows_choices_ranges_and_defaults(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    shown = " ".join(command("stylize", "--help").out.split())
    for setting in settings_of(Recipe).values():
        if setting.choices and setting.name != "init":
            assert f"--{setting.key} [{'|'.join(setting.choices)}] " in shown
    assert "--init [content|noise|PATH] " in shown
    assert "Longer side of the result. [2 to 32768 px] [default: 512]" in shown
    assert "[default: (as many as make sense)]" in shown


def test_help_lists_commands_in_an_order_of_use(command: Command) -> None:
    shown = command("--help").out
    places = [shown.index(f"│ {name} ") for name in ("stylize", "rerun", "batch", "networks")]
    assert places == sorted(places)
    assert shown.index("│ stylize ") < shown.index("│ texture ")


def test_version_is_told(command: Command) -> None:
    outcome = command("--version")
    assert outcome.code == 0
    assert outcome.out.startswith("vangram 0.")


def loaded_for(*words: str) -> set[str]:
    """The modules in a fresh process after a command."""
    script = (
        "import json, sys\n"
        "from vangram.cli import main\n"
        f"sys.argv = ['vangram', *{words}]\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_help_of_a_command_needs_no_torch_no_pillow_and_no_other_command() -> None:
    loaded = loaded_for("stylize", "--help")
    assert not loaded & {"torch", "PIL", "safetensors", "numpy"}
    files = {name for name in loaded if name.startswith("vangram.cli.commands.")}
    assert files == {"vangram.cli.commands.stylize"}


def test_list_of_commands_needs_none_of_them_and_no_recipe() -> None:
    loaded = loaded_for("--help")
    assert "vangram.cli.app" in loaded
    assert not loaded & {"torch", "PIL", "vangram.cli.commands", "vangram.settings.recipe"}


def test_command_has_a_file_of_its_name() -> None:
    files = Path(commands.__file__).parent.glob("[!_]*.py")
    assert sorted(COMMANDS) == sorted(file.stem for file in files)
    assert [load_command(name).name for name in COMMANDS] == [*COMMANDS]


def test_folder_that_cannot_be_made_is_refused(
    command: Command, photo: Path, painting: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "memory"  # which is no lack of memory
    folder.mkdir()
    (folder / "file").write_bytes(b"no folder")
    (folder / "loop").symlink_to(folder / "loop")
    for name in ("file", "loop"):
        words = ("sweep", photo, painting, "--vary", "strength=1,2", "--steps", 1)
        outcome = command(*words, "-o", folder / name / "page.html")
        assert_refused(outcome, "page.html.parts", "cannot be a folder of pictures")
        outcome = command("stylize", photo, painting, "-o", folder / name / "out.png")
        assert_refused(outcome, "out.png", "which is no folder")
    outcome = command("stylize", photo, folder / "loop", "-o", folder / "out.png")
    assert_refused(outcome, "loop", "cannot be opened")


def test_error_of_the_system_is_one_line_and_exit_code_2(
    command: Command, photo: Path, painting: Path, tmp_path: Path
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/memory/x")
    with descending(stopped_by(full, after=0)):
        outcome = command("stylize", photo, painting, "-o", tmp_path / "out.png", "--quiet")
    assert_refused(outcome, "'/memory/x' cannot be used", "free some space")


def test_output_that_another_process_makes_is_refused(
    command: Command, photo: Path, painting: Path, tmp_path: Path
) -> None:
    pytest.importorskip("fcntl")
    output, page = tmp_path / "out.png", tmp_path / "page.html"
    for path, words in (
        (output, ("stylize", photo, painting, "-o", output, *QUICK)),
        (output, ("texture", painting, "-o", output, *QUICK)),
        (page, ("sweep", photo, painting, "-o", page, "--vary", "strength=1,2", "--steps", 1)),
    ):
        other = claim(path)
        assert other is not None
        assert_refused(command(*words), "another process is at work on", path.name)
        assert_refused(command(*words, "--force"), "another process is at work on", path.name)
        other.release()
    assert sorted(os.listdir(tmp_path)) == ["painting.png", "photo.png"]
