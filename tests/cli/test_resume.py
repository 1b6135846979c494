"""`vangram resume`: the same bytes as the run that was never stopped, or a refusal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_commands import assert_refused
from tests.cli.test_runner import SECONDS, recorded
from tests.conftest import Outcome
from tests.support import descending, drawn, refused_descent, stopped_by
from vangram.cli.streams import warn
from vangram.errors import CheckpointError
from vangram.images import read_picture
from vangram.optimize import RunState, Step
from vangram.run import Checkpoint, Run, read_checkpoint, write_checkpoint
from vangram.run.checkpointer import Checkpointer, checkpoint_path

Command = Callable[..., Outcome]
SHALLOW = ("--content-layers", "relu2_1", "--style-layers", "relu1_1")
QUICK = ("--size", 48, "--steps", 8, "--levels", 2, "--init", "noise", *SHALLOW)

# A checkpoint after every step.
PROGRAM = (
    "from vangram.cli import main; from vangram.run import checkpointer; "
    "checkpointer.SECONDS_BETWEEN_CHECKPOINTS = 0.0; checkpointer.LARGEST_SHARE = 1e9; main()"
)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out.png"


@pytest.fixture
def whole(command: Command, photo: Path, painting: Path, tmp_path: Path) -> bytes:
    """What the run makes that is never stopped."""
    path = tmp_path / "whole.png"
    assert command("stylize", photo, painting, "-o", path, *QUICK).code == 0
    return path.read_bytes()


@pytest.fixture
def stopped(
    command: Command,
    photo: Path,
    painting: Path,
    output: Path,
) -> Path:
    """The picture of a run that was interrupted after its first step."""
    with descending(stopped_by(KeyboardInterrupt())):
        assert command("stylize", photo, painting, "-o", output, *QUICK).code == 130
    assert not recorded(output).finished
    return output


def change_record(output: Path, **changes: Any) -> None:
    """Change what an unfinished run's checkpoint says of its beginning."""
    path = checkpoint_path(output)
    checkpoint = read_checkpoint(path)
    record = replace(checkpoint.record, **changes)
    write_checkpoint(path, replace(checkpoint, record=record))


@pytest.fixture
def no_work(stopped: Path) -> Iterator[None]:
    """Fail where the optimisation would go on."""
    with descending(refused_descent):
        yield


def test_resumed_run_gives_identical_bytes(command: Command, whole: bytes, stopped: Path) -> None:
    outcome = command("resume", stopped)
    assert outcome.code == 0, outcome.err
    assert outcome.out == f"{stopped}\n"
    assert "vangram: going on at 24x18 (level 1/2)  step 1/2\n" in outcome.err
    assert "note" not in outcome.err
    assert stopped.read_bytes() == whole
    assert not checkpoint_path(stopped).exists()


def test_resumed_quietly_says_nothing_but_the_path(command: Command, stopped: Path) -> None:
    assert command("resume", stopped, "--quiet") == Outcome(0, f"{stopped}\n", "")


def test_run_killed_before_its_first_step_starts_again(
    command: Command, whole: bytes, stopped: Path
) -> None:
    path = checkpoint_path(stopped)
    write_checkpoint(path, Checkpoint(read_checkpoint(path).record))
    stopped.unlink()
    outcome = command("resume", stopped)
    assert outcome.code == 0, outcome.err
    assert "starting again" in outcome.err
    assert stopped.read_bytes() == whole


def test_run_killed_after_its_picture_was_written_finishes_without_work(
    command: Command,
    photo: Path,
    painting: Path,
    output: Path,
) -> None:
    run = Run.prepare(photo, painting, size=48, steps=2)
    *_, last = run
    run.painting(last.image).save(output)
    write_checkpoint(checkpoint_path(output), Checkpoint(run.record, last.state))
    before = output.read_bytes()
    with descending(refused_descent):
        outcome = command("resume", output)
    assert outcome.code == 0, outcome.err
    assert output.read_bytes() == before
    assert not checkpoint_path(output).exists()


def test_run_interrupted_before_its_first_step_leaves_nothing(
    command: Command,
    photo: Path,
    painting: Path,
    output: Path,
) -> None:
    def interrupt(*arguments: object) -> Iterator[Step]:
        assert checkpoint_path(output).exists()
        raise KeyboardInterrupt

    with descending(interrupt):
        assert command("stylize", photo, painting, "-o", output, *QUICK).code == 130
    assert not output.exists()
    assert not checkpoint_path(output).exists()


def test_resumed_run_interrupted_at_once_can_be_resumed_again(
    command: Command, whole: bytes, stopped: Path
) -> None:
    with descending(stopped_by(KeyboardInterrupt(), after=0)):
        outcome = command("resume", stopped)
    assert outcome.code == 130
    assert f"`vangram resume {stopped}` goes on" in outcome.err
    assert command("resume", stopped).code == 0
    assert stopped.read_bytes() == whole


@pytest.mark.parametrize(("role", "name"), [("content", "photo"), ("style", "painting")])
@pytest.mark.usefixtures("no_work")
def test_changed_input_is_refused_by_name(
    command: Command, output: Path, saved: Callable[..., Path], role: str, name: str
) -> None:
    before = checkpoint_path(output).read_bytes(), output.read_bytes()
    saved(f"{name}.png", seed=8)
    assert_refused(command("resume", output), f"the {role} is not the same file", f"{name}.png")
    assert (checkpoint_path(output).read_bytes(), output.read_bytes()) == before


def test_changed_start_is_refused_by_name(
    command: Command,
    photo: Path,
    painting: Path,
    output: Path,
    saved: Callable[..., Path],
) -> None:
    words = [word for word in QUICK if word not in ("--init", "noise")]
    start = saved("start.png", seed=7)
    with descending(stopped_by(KeyboardInterrupt())):
        command("stylize", photo, painting, "-o", output, *words, "--init", start)
    saved("start.png", seed=8)
    assert_refused(command("resume", output), "the start is not the same file", "start.png")
    saved("start.png", seed=7)
    assert command("resume", output).code == 0


@pytest.mark.usefixtures("no_work")
def test_changed_network_is_refused_by_name(command: Command, output: Path) -> None:
    output.unlink()
    change_record(output, network_sha256="another")
    assert_refused(command("resume", output), "the network vgg19-lite has other parameters")


@pytest.mark.usefixtures("no_work")
def test_input_from_memory_is_refused(command: Command, output: Path, photo: Path) -> None:
    transfer = Run.prepare(drawn(48, 64, seed=1), photo, size=48)
    write_checkpoint(checkpoint_path(output), Checkpoint(transfer.record))
    assert_refused(command("resume", output, "--content", photo), "content", "from memory")


def test_input_that_has_moved_is_taken_from_where_it_is(
    command: Command, whole: bytes, stopped: Path, photo: Path, tmp_path: Path
) -> None:
    photo.rename(tmp_path / "elsewhere.png")
    assert_refused(command("resume", stopped), "--content")
    assert command("resume", stopped, "--content", tmp_path / "elsewhere.png").code == 0
    assert stopped.read_bytes() == whole


def test_same_versions_promise_the_same_bytes(command: Command, stopped: Path) -> None:
    assert "may not be" not in command("resume", stopped).err


def test_other_versions_are_noted_and_recorded(command: Command, stopped: Path) -> None:
    versions = recorded(stopped).versions
    change_record(stopped, versions={**versions, "threads": "64"})
    outcome = command("resume", stopped)
    assert outcome.code == 0
    now = versions["threads"]
    assert f"vangram: note: threads was 64, is {now}\n" in outcome.err
    assert "may differ from that of a run without the stop" in outcome.err
    assert recorded(stopped).versions == {**versions, "threads": f"64, then {now}"}


def test_nothing_to_resume_is_told_for_what_it_is(
    command: Command, photo: Path, stopped: Path
) -> None:
    assert_refused(command("resume", stopped.with_name("no.png")), "no run", "no.png")
    assert_refused(command("resume", photo), "photo.png", "no checkpoint")
    assert_refused(command("resume", "."), "no checkpoint")
    checkpoint = checkpoint_path(stopped)
    assert_refused(command("resume", checkpoint), "is a checkpoint", f"resume {stopped}`")
    checkpoint.rename(stopped.with_name("away"))
    assert_refused(command("resume", stopped), "stopped early", "vangram rerun")
    stopped.with_name("away").rename(checkpoint)
    assert command("resume", stopped).code == 0
    assert_refused(command("resume", stopped), "finished", "nothing to resume")


@pytest.mark.usefixtures("no_work")
def test_damaged_checkpoint_is_refused(command: Command, output: Path) -> None:
    path = checkpoint_path(output)
    path.write_bytes(path.read_bytes()[:-1])
    assert_refused(command("resume", output), path.name, "damaged")


@pytest.mark.usefixtures("no_work")
def test_folder_in_the_checkpoints_place_is_refused(
    command: Command, photo: Path, painting: Path, tmp_path: Path
) -> None:
    output = tmp_path / "new.png"
    checkpoint_path(output).mkdir()
    words = ("stylize", photo, painting, "-o", output, *QUICK)
    for each in (words, (*words, "--force")):
        assert_refused(command(*each), checkpoint_path(output).name, "is no file; move it away")


def test_input_is_found_from_the_folder_in_which_the_run_was_started(
    command: Command, tmp_path: Path, saved: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
    for seed, name in enumerate(("photo", "painting")):
        saved(f"{name}.png", seed=seed).rename(tmp_path / "in" / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    words = ("in/photo.png", "in/painting.png", "-o", "out/picture.png", "--size", 48)
    assert command("stylize", *words, "--steps", 2).code == 0
    monkeypatch.chdir(tmp_path / "out")
    outcome = command("rerun", "picture.png")
    assert outcome.code == 0, outcome.err
    assert "the same bytes" in outcome.err
    saved("photo.png", seed=9).rename(tmp_path / "in/photo.png")
    assert_refused(command("rerun", "picture.png", "--force"), "'in/photo.png' is no longer there")


@pytest.mark.usefixtures("no_work")
def test_rerun_of_a_folder_that_is_no_film_is_refused(
    command: Command, photo: Path, output: Path, tmp_path: Path
) -> None:
    (tmp_path / "pictures").mkdir()
    output.rename(tmp_path / "pictures" / "one.png")
    assert_refused(command("rerun", tmp_path / "pictures"), "is a folder", "name one of them")


@pytest.mark.parametrize("output_exists", [True, False])
@pytest.mark.usefixtures("no_work")
def test_unfinished_picture_is_not_begun_again_by_mistake(
    command: Command, photo: Path, painting: Path, output: Path, output_exists: bool
) -> None:
    if not output_exists:
        output.unlink()
    before = checkpoint_path(output).read_bytes()
    outcome = command("stylize", photo, painting, "-o", output, *QUICK)
    assert_refused(outcome, "vangram resume", "--force")
    assert checkpoint_path(output).read_bytes() == before


def test_unfinished_picture_is_begun_again_with_force(
    command: Command, photo: Path, painting: Path, whole: bytes, stopped: Path
) -> None:
    outcome = command("stylize", photo, painting, "-o", stopped, *QUICK, "--force")
    assert outcome.code == 0, outcome.err
    assert stopped.read_bytes() == whole
    assert not checkpoint_path(stopped).exists()


def test_resume_watches_and_overwrites_nothing_but_its_picture(
    command: Command, stopped: Path, tmp_path: Path
) -> None:
    preview, timelapse = tmp_path / "preview.png", tmp_path / "timelapse.webp"
    timelapse.write_bytes(b"precious")
    words = ("--preview", preview, "--timelapse", timelapse)
    assert_refused(command("resume", stopped, *words), "timelapse.webp", "--force")
    assert timelapse.read_bytes() == b"precious"
    assert command("resume", stopped, *words, "--force").code == 0
    assert (read_picture(preview).pixels == read_picture(stopped).pixels).all()
    assert timelapse.read_bytes() != b"precious"


@pytest.mark.usefixtures("no_work")
def test_picture_of_another_run_is_not_overwritten(
    command: Command, output: Path, photo: Path
) -> None:
    for content in (photo.read_bytes(), b"no picture"):
        output.write_bytes(content)
        assert_refused(command("resume", output), "not this run's picture", "--force")
        assert output.read_bytes() == content


@pytest.mark.usefixtures("no_work")
def test_run_that_another_process_is_at_work_on_is_refused(command: Command, output: Path) -> None:
    pytest.importorskip("fcntl")
    with closing(Checkpointer(output, warn)):
        assert_refused(command("resume", output), "another process")


def test_rerun_that_was_stopped_can_be_resumed(
    command: Command, whole: bytes, tmp_path: Path
) -> None:
    with descending(stopped_by(KeyboardInterrupt())):
        assert command("rerun", tmp_path / "whole.png").code == 130
    assert_refused(command("rerun", tmp_path / "whole.png"), "vangram resume")
    again = tmp_path / "whole-rerun.png"
    assert command("resume", again).code == 0
    assert again.read_bytes() == whole


def test_run_killed_three_times_gives_the_bytes_of_the_uninterrupted(
    photo: Path, painting: Path, output: Path
) -> None:
    calm = output.with_name("calm.png")
    words = ["--size", "48", "--steps", "150", "--levels", "2", "--init", "noise", *SHALLOW]
    start: list[str | Path] = ["stylize", photo, painting, *words, "-o"]
    assert finished([*start, calm])

    kill([*start, output], output, lambda position: True)
    kill(["resume", output], output, lambda p: p is not None and p.level_state.number >= 20)
    kill(["resume", output], output, lambda p: p is not None and p.level == 2)
    assert finished(["resume", output])
    assert output.read_bytes() == calm.read_bytes()
    assert sorted(os.listdir(output.parent)) == sorted(
        path.name for path in (photo, painting, output, calm)
    )


def launched(words: list[str | Path]) -> subprocess.Popen[bytes]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *words], env=environment)


def finished(words: list[str | Path]) -> bool:
    return launched(words).wait(timeout=SECONDS) == 0


def kill(words: list[str | Path], output: Path, when: Callable[[RunState | None], bool]) -> None:
    """Run, and kill as soon as a checkpoint says that it has come so far."""
    process, given_up = launched(words), time.monotonic() + SECONDS
    try:
        while not come_so_far(output, when):
            assert process.poll() is None
            assert time.monotonic() < given_up
            time.sleep(0.01)
    finally:
        process.kill()
    assert process.wait(timeout=SECONDS) == -signal.SIGKILL


def come_so_far(output: Path, when: Callable[[RunState | None], bool]) -> bool:
    try:
        return when(read_checkpoint(checkpoint_path(output)).position)
    except CheckpointError:
        return False
