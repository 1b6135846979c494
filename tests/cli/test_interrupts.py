"""Signals: the first one ends a run, none ends the writing of its picture."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.test_runner import PROGRAM, SECONDS, recorded
from tests.conftest import Outcome
from tests.support import accompanied_by, descending, stopped_by
from vangram.cli.interrupts import SIGNALS, Interrupts
from vangram.errors import DivergedError
from vangram.images import read_picture
from vangram.run.checkpointer import checkpoint_path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

SMALL = ("--size", "16", "--content-layers", "relu2_1", "--style-layers", "relu1_1", "-q")

# Saving takes a while; files say when a step was taken, and when saving begins.
SLOW = """
import time
from pathlib import Path
from vangram.run import checkpointer, result
add = checkpointer.Checkpointer.add
def stepped(self, step):
    self.path.with_name("step").touch()
    add(self, step)
checkpointer.Checkpointer.add = stepped
write = result.write_picture
def slow(path, *arguments, **options):
    Path(path).with_name("saving").touch()
    time.sleep(0.3)
    write(path, *arguments, **options)
result.write_picture = slow
"""


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    # Those that the tests' own process ignores, as under nohup, would stay ignored.
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    interrupts = Interrupts()
    interrupts.install()
    yield interrupts
    for number, handler in before.items():
        signal.signal(number, handler)


def test_first_signal_alone_is_raised(interrupts: Interrupts) -> None:
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    for number in (*SIGNALS, *SIGNALS):
        signal.raise_signal(number)
    assert interrupts.code == 143


def test_signal_is_deferred_until_it_is_allowed(interrupts: Interrupts) -> None:
    with interrupts.deferred():
        with interrupts.allowed():
            pass
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt), interrupts.allowed():
            raise AssertionError
    with pytest.raises(KeyboardInterrupt):
        interrupts.check()
    assert interrupts.code == 130


def test_signal_ends_a_step_that_is_computed(interrupts: Interrupts) -> None:
    with (
        interrupts.deferred(),
        pytest.raises(KeyboardInterrupt),
        interrupts.allowed(),
    ):
        signal.raise_signal(signal.SIGHUP)
    assert interrupts.code == 129


def test_signal_that_the_parent_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        Interrupts().install()
        signal.raise_signal(signal.SIGHUP)
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("gap", [0.1, 0.003])
def test_picture_is_saved_however_many_signals_come(
    photo: Path, painting: Path, tmp_path: Path, gap: float
) -> None:
    output, saving = tmp_path / "out.png", tmp_path / "saving"
    words: list[str | Path] = ["stylize", photo, painting, "-o", output, *SMALL]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW + PROGRAM, *words, "--steps", "1000000", "--tolerance", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        until((tmp_path / "step").exists)
        process.send_signal(signal.SIGINT)
        if gap > 0.02:
            until(saving.exists)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            time.sleep(gap)
            process.send_signal(number)
        out, err = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, err
    assert out == f"{output}\n"
    (line,) = err.splitlines()
    assert f"the picture so far is {output}; `vangram resume {output}` goes on" in line
    assert not recorded(output).finished
    names = {path.name for path in (photo, painting, output, checkpoint_path(output), saving)}
    assert set(os.listdir(tmp_path)) == {*names, "step"}


@contextmanager
def signalled(number: int, saved: Path) -> Iterator[None]:
    """A signal that comes when a file is written, before it has its name."""

    def signalling(naming: Callable[[str, str], None]) -> Callable[[str, str], None]:
        def named(source: str, target: str) -> None:
            if target == str(saved):
                signal.raise_signal(number)
            naming(source, target)

        return named

    with pytest.MonkeyPatch.context() as patch:
        for name in ("link", "replace"):
            patch.setattr(os, name, signalling(getattr(os, name)))
        yield


def test_signal_while_a_finished_picture_is_saved_costs_nothing(
    command: Callable[..., Outcome], photo: Path, painting: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.png"
    with signalled(signal.SIGTERM, output):
        outcome = command("stylize", photo, painting, "-o", output, *SMALL, "--steps", 1)
    assert outcome == Outcome(143, f"{output}\n", "")
    assert recorded(output).finished
    assert not checkpoint_path(output).exists()


def test_signal_while_a_failed_run_is_saved_hides_no_error(
    command: Callable[..., Outcome], photo: Path, painting: Path, tmp_path: Path
) -> None:
    diverging = stopped_by(DivergedError("the loss became nan"))
    output = tmp_path / "out.png"
    with descending(diverging), signalled(signal.SIGINT, output):
        outcome = command("stylize", photo, painting, "-o", output, *SMALL, "--steps", 3)
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1] == "vangram: error: the loss became nan"
    assert output.exists()


def test_signal_before_the_first_step_leaves_no_checkpoint(
    command: Callable[..., Outcome], photo: Path, painting: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.png"
    with signalled(signal.SIGINT, checkpoint_path(output)):
        outcome = command("stylize", photo, painting, "-o", output, *SMALL, "--steps", 1)
    assert outcome.code == 130
    assert outcome.err == "vangram: stopped before the first step, there is no picture\n"
    assert sorted(os.listdir(tmp_path)) == ["painting.png", "photo.png"]


def test_file_that_appears_during_a_run_is_kept(
    command: Callable[..., Outcome], photo: Path, painting: Path, tmp_path: Path
) -> None:
    output, film = tmp_path / "out.png", tmp_path / "film.webp"

    def appear() -> None:
        output.write_bytes(b"precious")
        film.write_bytes(b"precious")

    words = ("stylize", photo, painting, "-o", output, *SMALL, "--steps", 2, "--timelapse", film)
    with descending(accompanied_by(appear)):
        outcome = command(*words)
    assert outcome.code == 0, outcome.err
    assert outcome.out == f"{tmp_path / 'out-2.png'}\n"
    assert f"another file has appeared as {output}; this one is" in outcome.err
    assert f"another file has appeared as {film}; this one is" in outcome.err
    assert output.read_bytes() == film.read_bytes() == b"precious"
    assert read_picture(tmp_path / "out-2.png").size == (12, 16)
    assert (tmp_path / "film-2.webp").exists()
    with descending(accompanied_by(appear)):
        outcome = command(*words, "--force")
    assert outcome == Outcome(0, f"{output}\n", "")
    assert recorded(output).finished


def until(happens: Callable[[], bool]) -> None:
    given_up = time.monotonic() + SECONDS
    while not happens():
        assert time.monotonic() < given_up
        time.sleep(0.005)
