"""A command under torchrun: the picture of one process, kept and continued whatever ends a rank."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import psutil
import pytest
import torch

from tests.cli.test_batch import one_thread
from tests.cli.test_commands import assert_refused
from tests.cli.test_runner import recorded
from tests.conftest import Outcome
from tests.support import descending, stopped_by
from vangram.images import read_picture
from vangram.run.checkpointer import checkpoint_path

Command = Callable[..., Outcome]
SHALLOW = ("--content-layers", "relu2_1", "--style-layers", "relu1_1", "--tolerance", "0")
STRIPS = ("--size", "192", "--levels", "1", "--steps", "40", "--tile", "96", *SHALLOW)
"""Two tiles, so that the gradient's sums are the same by one process and by two."""
QUICK = ("--size", 48, "--steps", 4, "--levels", 1, *SHALLOW)
RUN = import_module("vangram.run.run")

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let commands find themselves under torchrun, started again so many times."""

    def launch(restarts: int) -> None:
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "some")
        monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", str(restarts))

    return launch


@pytest.fixture
def words(photo: Path, painting: Path, tmp_path: Path) -> tuple[object, ...]:
    """A command that makes a small picture."""
    return "stylize", photo, painting, "-o", tmp_path / "out.png", *QUICK


@pytest.fixture
def begun(command: Command, words: tuple[object, ...], tmp_path: Path) -> Path:
    """What a run has left that was interrupted after a step."""
    with descending(stopped_by(KeyboardInterrupt())):
        assert command(*words).code == 130
    return tmp_path / "out.png"


def rank_of(agent: subprocess.Popen[str], number: int) -> psutil.Process:
    """A rank's process."""
    for child in psutil.Process(agent.pid).children():
        if child.environ().get("RANK") == str(number):
            return child
    raise AssertionError(number)


def steps_of(agent: subprocess.Popen[str], lines: list[str]) -> Iterator[int]:
    """Numbers of the steps that it reports; what else it says is added to `lines`."""
    assert agent.stderr is not None
    for line in agent.stderr:
        if line.startswith("{"):
            event = json.loads(line)
            if event["event"] == "progress":
                yield event["step"]
        else:
            lines.append(line)


@posix
def test_ranks_that_end_leave_a_picture_and_a_run_that_goes_on(
    command: Command, saved: Callable[..., Path], painting: Path, tmp_path: Path
) -> None:
    photo, output = saved("wide.png", 64, 192, seed=1), tmp_path / "out.png"
    words = ["stylize", photo, painting, *STRIPS]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    torchrun += ["--nproc-per-node=2", "--max-restarts=2", "-m", "vangram", *map(str, words)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    lines: list[str] = []

    def again(steps: Iterator[int], times: int) -> int:
        """The first step after torchrun has started the ranks again so many times."""
        for step in steps:
            if "".join(lines).count("going on at") == times:
                return step
        raise AssertionError("".join(lines))

    with subprocess.Popen(
        [*torchrun, "--progress", "json", "-o", str(output)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as agent:
        steps = steps_of(agent, lines)
        killed = next(step for step in steps if step >= 3)
        rank_of(agent, 1).kill()
        # Steps are reported until rank 0 ends; then torchrun starts both ranks again.
        first = again(steps, 1)
        assert first > killed  # from the checkpoint, without being told to
        rank_of(agent, 0).kill()
        second = again(steps, 2)
        assert second >= first  # from the last checkpoint
        rank_of(agent, 1).send_signal(signal.SIGTERM)
        taken = max(steps, default=second)
    said = "".join(lines)
    assert "exitcode  : 143" in said, said  # rank 0's, as if it had been sent the signal
    assert taken < 40
    assert not recorded(output).finished
    assert recorded(output).versions["ranks"] == "2"
    assert "vangram resume" not in said, said
    assert said.count("; the same command goes on") >= 2, said
    assert "Traceback" not in said.split("vangram FAILED")[0].split("torch/distributed")[0], said

    single = tmp_path / "single.png"
    with one_thread():  # as a rank has
        assert command("resume", output, "-q").code == 0
        assert command(*words, "-o", single, "-q").code == 0
    assert recorded(output).finished
    assert recorded(output).versions["ranks"] == "2, then 1"
    ours, theirs = (read_picture(path).pixels for path in (output, single))
    assert torch.equal(ours, theirs)


def test_command_goes_on_by_itself_under_torchrun(
    command: Command,
    words: tuple[object, ...],
    begun: Path,
    tmp_path: Path,
    launched: Callable[[int], None],
) -> None:
    assert_refused(command(*words), "vangram resume")
    launched(0)
    done = command(*words)
    assert (done.code, done.out) == (0, f"{begun}\n")
    assert "going on at" in done.err
    assert not checkpoint_path(begun).exists()
    whole = tmp_path / "whole.png"
    assert command(*words[:3], "-o", whole, *QUICK).code == 0
    assert begun.read_bytes() == whole.read_bytes()


def test_forced_command_goes_on_after_a_restart_alone(
    command: Command, words: tuple[object, ...], begun: Path, launched: Callable[[int], None]
) -> None:
    launched(1)
    assert "going on at" in command(*words, "--force").err
    launched(0)
    assert "going on at" not in command(*words, "--force").err


def test_restart_overwrites_no_file_of_others_at_the_pictures_place(
    command: Command, words: tuple[object, ...], begun: Path, launched: Callable[[int], None]
) -> None:
    begun.write_bytes(b"of another program")
    launched(1)
    done = command(*words)
    beside = begun.with_stem("out-2")
    assert (done.code, done.out) == (0, f"{beside}\n")
    assert begun.read_bytes() == b"of another program"
    assert recorded(beside).finished


def test_run_with_other_settings_is_not_continued(
    command: Command, words: tuple[object, ...], begun: Path, launched: Callable[[int], None]
) -> None:
    launched(1)
    before = begun.read_bytes()
    assert_refused(command(*words, "--seed", 7), "begun with other settings")
    assert begun.read_bytes() == before
    assert checkpoint_path(begun).exists()


def test_picture_that_was_finished_before_a_restart_is_not_made_again(
    command: Command, words: tuple[object, ...], tmp_path: Path, launched: Callable[[int], None]
) -> None:
    output = tmp_path / "out.png"
    launched(0)
    assert command(*words).code == 0
    made = output.stat().st_mtime_ns
    assert_refused(command(*words), "exists already")
    launched(1)
    done = command(*words)
    assert (done.code, done.out) == (0, f"{output}\n")
    assert "is finished" in done.err
    assert output.stat().st_mtime_ns == made
    assert_refused(command(*words, "--seed", 7), "exists already")


def test_rerun_goes_on_by_itself_under_torchrun(
    command: Command,
    words: tuple[object, ...],
    tmp_path: Path,
    launched: Callable[[int], None],
) -> None:
    output, again = tmp_path / "out.png", tmp_path / "out-rerun.png"
    assert command(*words).code == 0
    with descending(stopped_by(KeyboardInterrupt())):
        assert command("rerun", output).code == 130
    assert_refused(command("rerun", output), "vangram resume")
    launched(1)
    for said in ("going on at", "is finished"):
        done = command("rerun", output)
        assert (done.code, done.out) == (0, f"{again}\n")
        assert said in done.err
        assert f"the same bytes as {output}" in done.err
