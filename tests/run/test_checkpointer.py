"""When checkpoints are written, and what it costs when they cannot be."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch

from tests.conftest import Outcome
from tests.support import full_disk
from vangram.cli.streams import warn
from vangram.errors import BusyError
from vangram.images import read_picture
from vangram.optimize import Level, LevelState, RunState, Step
from vangram.run import Checkpoint, checkpointer, read_checkpoint, side_writes
from vangram.run.checkpointer import Checkpointer, checkpoint_path
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe
from vangram.settings.record import Input, Record

RECORD = Record(
    recipe=Recipe(),
    inputs=Inputs(content=Input("photo.jpg", "aa"), styles=(Input("painting.jpg", "bb"),)),
    network_sha256="cc",
    versions={},
)
IMAGE = torch.zeros(1, 3, 2, 2)


class Clock:
    """Time as it is set; writing takes some of it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.writing = 0.0
        self.written: list[tuple[int, int] | None] = []

    def monotonic(self) -> float:
        return self.now

    def write(self, path: Path, checkpoint: Checkpoint) -> None:
        self.now += self.writing
        position = checkpoint.position
        self.written.append((position.level, position.level_state.number) if position else None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(side_writes, "time", clock)
    monkeypatch.setattr(checkpointer, "write_checkpoint", clock.write)
    return clock


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Checkpointer]:
    with closing(Checkpointer(tmp_path / "out.png", warn)) as kept:
        yield kept


def step(level: int, number: int, of: int = 1000) -> Step:
    last = number == of
    position = RunState(level, LevelState(IMAGE, IMAGE, number), None if last else {})
    return Step(Level(level, 3, (2, 2), of, 0.0, 1.0), number, 1.0, (), IMAGE, position, last=last)


def unwritable(output: Path) -> Path:
    """A folder where the output's checkpoints are written first, so that they cannot be."""
    path = Path(f"{checkpoint_path(output)}.part")
    path.mkdir()
    return path


def test_checkpoint_is_written_at_the_start_then_every_so_often(
    clock: Clock, kept: Checkpointer
) -> None:
    assert kept.begin(RECORD) is None
    for second in range(1, 101):
        clock.now = second
        kept.add(step(1, second))
    assert clock.written == [None, (1, 30), (1, 60), (1, 90)]


def test_checkpoints_take_no_more_than_their_share_of_the_time(
    clock: Clock, kept: Checkpointer
) -> None:
    kept.begin(RECORD)
    clock.writing = 6.0
    for number in range(1, 1000):
        clock.now += 1
        kept.add(step(1, number))
    assert 6 * (len(clock.written) - 1) < 0.05 * clock.now + 6
    assert len(clock.written) > 5


def test_checkpoint_is_written_at_each_levels_end_however_long_it_takes(
    clock: Clock, kept: Checkpointer
) -> None:
    kept.begin(RECORD)
    clock.writing = 100.0
    for level in (1, 2, 3):
        for number in (1, 2, 3):
            kept.add(step(level, number, of=3))
    assert clock.written == [None, (1, 3), (2, 3), (3, 3)]


def test_checkpoint_follows_a_level_that_ended_early(clock: Clock, kept: Checkpointer) -> None:
    kept.begin(RECORD)
    for level, number in ((1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (3, 1)):
        kept.add(step(level, number, of=3))
    assert clock.written == [None, (2, 1), (2, 3)]


def test_run_that_stops_keeps_its_last_step_once(clock: Clock, kept: Checkpointer) -> None:
    kept.begin(RECORD)
    kept.add(step(1, 7))
    kept.stop(step(1, 7).state)
    kept.stop(step(1, 7).state)
    assert clock.written == [None, (1, 7)]


def test_checkpoint_that_cannot_be_written_costs_one_warning_and_not_the_previous(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(Checkpointer(tmp_path / "out.png", warn)) as kept:
        kept.begin(RECORD)
        kept.add(step(1, 1, of=1))
        in_the_way = unwritable(tmp_path / "out.png")
        for number in (1, 2, 3):
            kept.add(step(2, number, of=3))
        assert kept.stop(step(2, 3).state)
        in_the_way.rmdir()
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"vangram: warning: '{kept.path}' cannot be written")
        position = read_checkpoint(kept.path).position
        assert position is not None
        assert (position.level, position.level_state.number) == (1, 1)
        kept.add(step(3, 3, of=3))
        position = read_checkpoint(kept.path).position
        assert position is not None
        assert position.level == 3


def test_run_without_checkpoints_makes_its_picture_and_warns_once(
    command: Callable[..., Outcome], photo: Path, painting: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.png"
    in_the_way = unwritable(output)
    words = ("--size", 48, "--steps", 2, "--quiet")
    outcome = command("stylize", photo, painting, "-o", output, *words)
    assert outcome.code == 0
    (line,) = outcome.err.splitlines()
    assert line.startswith("vangram: warning: ")
    assert read_picture(output).size == (36, 48)
    in_the_way.rmdir()
    assert sorted(os.listdir(tmp_path)) == ["out.png", "painting.png", "photo.png"]


def test_run_begun_anew_leaves_no_checkpoint_of_another(
    kept: Checkpointer, capsys: pytest.CaptureFixture[str]
) -> None:
    kept.path.write_bytes(b"another run's")
    Path(f"{kept.path}.part").write_bytes(b"half of another's")
    with full_disk():
        kept.begin(RECORD)
    assert "cannot be written" in capsys.readouterr().err
    assert os.listdir(kept.path.parent) == [".vangram-out.png.lock"]


def test_run_at_work_keeps_others_off(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    output = tmp_path / "out.png"
    with closing(Checkpointer(output, warn)) as kept:
        for number in range(3):  # before the first checkpoint, and after the last one
            for force in (False, True):
                with pytest.raises(BusyError, match="another process"):
                    Checkpointer(output, warn, force=force)
            if number == 0:
                kept.begin(RECORD)
            kept.add(step(1, number + 1, of=number + 1))
    with closing(Checkpointer(output, warn)) as other:
        assert other.read() == RECORD
        with pytest.raises(BusyError):
            Checkpointer(output, warn)
    assert os.listdir(tmp_path) == ["out.png.checkpoint"]
