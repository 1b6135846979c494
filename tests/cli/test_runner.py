"""Runs as people meet them, in processes of their own: the script, signals, and what is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from torch import Tensor, tensor

from tests.conftest import Outcome
from tests.support import descending, refused_descent, stopped_by
from vangram.cli.options import Monitoring
from vangram.cli.side_images import FRAMES, SideImages
from vangram.cli.streams import warn
from vangram.errors import DivergedError, OutputError
from vangram.images import read_frames, read_picture, read_recipe
from vangram.optimize import Level, LevelState, RunState, Step
from vangram.run.checkpointer import checkpoint_path
from vangram.run.side_writes import SideWrites
from vangram.settings.record import Record

SECONDS = 120
"""After which a process is taken to hang."""

# Background jobs of a shell ignore the interrupt, and their children would inherit that.
PROGRAM = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from vangram.cli import main; main()"
)


@pytest.fixture
def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def recorded(path: Path) -> Record:
    text = read_recipe(path)
    assert text is not None
    return Record.from_json(text)


def test_script_makes_a_picture_and_makes_it_again(
    photo: Path, painting: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    script = Path(sys.executable).with_name("vangram")
    output = tmp_path / "out.png"
    words: list[str | Path] = [
        "stylize",
        photo,
        painting,
        "-o",
        output,
        "--size",
        "48",
        "--steps",
        "2",
    ]
    again: list[str | Path] = ["rerun", output]
    for arguments, path in ((words, output), (again, tmp_path / "out-rerun.png")):
        done = subprocess.run(
            [script, *arguments], capture_output=True, text=True, env=environment, timeout=SECONDS
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == str(path)
    assert "the same bytes" in done.stderr
    assert output.read_bytes() == (tmp_path / "out-rerun.png").read_bytes()


def test_bad_picture_gives_one_line_and_exit_code_2(
    painting: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    bad = tmp_path / "text.jpg"
    bad.write_text("no picture")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "stylize", bad, painting, "-o", tmp_path / "out.png"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=SECONDS,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("vangram: error: ")
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_ends_the_run_and_keeps_the_picture(
    photo: Path,
    painting: Path,
    tmp_path: Path,
    environment: dict[str, str],
    number: signal.Signals,
    code: int,
) -> None:
    output, timelapse = tmp_path / "out.png", tmp_path / "timelapse.webp"
    words = ["--size", "48", "--steps", "100000", "--optimizer", "adam"]
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            PROGRAM,
            "stylize",
            photo,
            painting,
            "-o",
            output,
            *words,
            "--timelapse",
            timelapse,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert process.stderr is not None
        process.stderr.readline()  # what the run will use
        first = process.stderr.readline()
        assert "step 1/100000" in first
        process.send_signal(number)
        out, err = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == code, err
    assert out.splitlines()[-1] == str(output)
    assert f"stopped early, the picture so far is {output}; `vangram resume {output}` goes" in err
    assert checkpoint_path(output).exists()
    assert "Traceback" not in err
    assert read_picture(output).size == (36, 48)
    assert not recorded(output).finished
    assert timelapse.exists()


def test_rerun_of_a_run_stopped_early_says_so(
    command: Callable[..., Outcome],
    photo: Path,
    painting: Path,
    tmp_path: Path,
) -> None:
    output = tmp_path / "out.png"
    with descending(stopped_by(KeyboardInterrupt())):
        outcome = command(
            "stylize", photo, painting, "-o", output, "--size", 48, "--steps", 3, "--quiet"
        )
    assert outcome.code == 130
    assert not recorded(output).finished
    outcome = command("rerun", output)
    assert outcome.code == 0
    assert "note: the run was stopped early" in outcome.err
    assert recorded(tmp_path / "out-rerun.png").finished


def test_run_that_diverges_keeps_the_picture_and_has_exit_code_1(
    command: Callable[..., Outcome],
    photo: Path,
    painting: Path,
    tmp_path: Path,
) -> None:
    diverging = stopped_by(DivergedError("the loss became nan"))
    output = tmp_path / "out.png"
    with descending(diverging):
        outcome = command("stylize", photo, painting, "-o", output, "--size", 48, "--steps", 3)
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1] == "vangram: error: the loss became nan"
    assert not recorded(output).finished
    # It would diverge again.
    assert "resume" not in outcome.err
    assert not checkpoint_path(output).exists()


def levels(*steps: int) -> list[Level]:
    share = 1 / len(steps)
    return [
        Level(number, len(steps), (8, 8), count, (number - 1) * share, share)
        for number, count in enumerate(steps, start=1)
    ]


def steps(plan: list[Level]) -> Iterator[Step]:
    import torch

    image: Tensor = torch.zeros(1, 3, 8, 8)
    for level in plan:
        for step in range(1, level.steps + 1):
            position = RunState(level.number, LevelState(image, image, step), None)
            yield Step(level, step, 1.0, (), image, position)


def as_it_is(image: Tensor, size: tuple[int, int]) -> Tensor:
    return image


@pytest.mark.parametrize("counts", [(1,), (7,), (60,), (61,), (25, 25, 100), (250, 1000), (67, 8)])
def test_timelapse_takes_evenly_no_more_frames_than_it_should(
    tmp_path: Path, counts: tuple[int, ...]
) -> None:
    plan = levels(*counts)
    side_images = SideImages(Monitoring(timelapse=tmp_path / "t.webp"), plan, as_it_is)
    for step in steps(plan):
        side_images.add(step)
    side_images.finish(step.image)
    total = sum(counts)
    # Of few steps each but the last, which the result shows.
    assert len(side_images.frames) == (FRAMES if total > FRAMES else total)


def test_preview_and_timelapse_are_transparent_where_the_photograph_is(
    tmp_path: Path,
) -> None:
    plan, alpha = levels(3), tensor([0.0] * 4 + [1.0] * 4).expand(1, 1, 8, 8)
    given = Monitoring(preview=tmp_path / "preview.png", timelapse=tmp_path / "timelapse.webp")
    side_images = SideImages(given, plan, as_it_is, alpha=alpha, preview_writes=SideWrites(warn))
    for step in steps(plan):
        side_images.add(step)
    side_images.finish(step.image)
    for path in (given.preview, given.timelapse):
        assert path is not None
        with read_frames(path) as (_, frames):
            for frame in frames:
                assert frame.alpha is not None
                assert frame.alpha.equal(alpha)


def test_preview_and_timelapse_that_cannot_be_written_cost_a_warning_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, gone = levels(3), tmp_path / "gone"
    given = Monitoring(preview=gone / "preview.png", timelapse=gone / "timelapse.webp")
    side_images = SideImages(given, plan, as_it_is, preview_writes=SideWrites(warn))
    for step in steps(plan):
        side_images.add(step)
    side_images.finish(step.image)
    preview, timelapse = capsys.readouterr().err.splitlines()
    assert preview.startswith("vangram: warning: ")
    assert "preview.png" in preview
    assert timelapse.startswith("vangram: warning: ")
    assert "timelapse.webp" in timelapse


def test_picture_that_cannot_be_kept_anywhere_is_saved_later(
    command: Callable[..., Outcome],
    photo: Path,
    painting: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full disk, and temporary files on the same one."""

    def full(path: Path, *arguments: object, **options: object) -> None:
        raise OutputError(f"{str(path)!r} cannot be written (No space left on device)")

    output, temporary = tmp_path / "out.png", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    result = import_module("vangram.run.result")
    with monkeypatch.context() as patch:
        patch.setattr(result, "write_picture", full)
        words = ("stylize", photo, painting, "-o", output, "--size", 48, "--steps", 2, "--quiet")
        outcome = command(*words)
    assert outcome.code == 2
    (line,) = outcome.err.splitlines()
    assert f"'{output}' cannot be written (No space left on device)" in line
    assert "nor can it be kept as a temporary file" in line
    assert f"`vangram resume {output}` goes on from the last checkpoint" in line
    assert os.listdir(temporary) == []
    with descending(refused_descent):
        assert command("resume", output).code == 0
    assert recorded(output).finished


def test_picture_is_kept_as_a_temporary_file_where_its_own_cannot_be_written(
    command: Callable[..., Outcome],
    photo: Path,
    painting: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output, temporary = tmp_path / "out.png", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    result = import_module("vangram.run.result")
    write = result.write_picture

    def full(path: Path, *arguments: object, **options: object) -> None:
        if path == output:
            raise OutputError(f"{str(path)!r} cannot be written (No space left on device)")
        write(path, *arguments, **options)

    monkeypatch.setattr(result, "write_picture", full)
    words = ("stylize", photo, painting, "-o", output, "--size", 48, "--steps", 2, "--quiet")
    outcome = command(*words)
    assert outcome.code == 2
    (refuge,) = temporary.glob("*/out.png")
    assert f"'{output}' cannot be written" in outcome.err
    assert f"the picture is kept as '{refuge}'" in outcome.err
    assert recorded(refuge).finished
