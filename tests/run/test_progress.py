"""The time left, from the pace."""

from __future__ import annotations

import time

import pytest

from vangram.run.progress import SECONDS_TO_SETTLE, Pace


class Clock:
    """A clock that is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


def test_what_is_done_once_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    pace = Pace()
    clock.now += 4
    assert pace.seconds_left(0.1) is None
    clock.now += 1
    assert pace.seconds_left(0.2) == pytest.approx(8)
    clock.now += 3
    assert pace.seconds_left(0.5) == pytest.approx(5)


def test_slow_work_is_estimated_from_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    pace = Pace(0.5)
    clock.now += SECONDS_TO_SETTLE + 30
    assert pace.seconds_left(0.6) == pytest.approx(160)
    clock.now += 20
    assert pace.seconds_left(0.7) == pytest.approx(60)


def test_nothing_is_said_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    pace = Pace()
    for _ in range(3):
        clock.now += 20
        assert pace.seconds_left(0.001) is None
