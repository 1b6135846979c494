"""What must not be forgotten, is not, however the process ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from vangram.errors import OutputError
from vangram.studio.store import Store


def test_everything_is_there_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.sqlite")
    store.save_jobs([("a", {"n": 1}), ("b", {"n": 2})], order=["b", "a"], held=True)
    store.save_jobs([("a", {"n": 3})])
    store.add_losses("a", [(1, 1, 0.5), (1, 2, 0.25), (2, 1, 0.1)])
    store.save_picture("p", 1.0, {"name": "x"})
    store.save_picture("q", 2.0, {"name": "y"})
    store.use_pictures(["p"], 3.0)
    store.describe("file.png", "1-2", {"record": None})
    store.star("file.png", True)
    store.close()
    store = Store(tmp_path / "a.sqlite")
    assert store.jobs() == {"a": {"n": 3}, "b": {"n": 2}}
    assert (store.state("order", None), store.state("held", None)) == (["b", "a"], True)
    assert store.state("nothing", "default") == "default"
    assert store.losses("a") == [(1, 1, 0.5), (1, 2, 0.25), (2, 1, 0.1)]
    assert [picture["name"] for picture in store.pictures(5)] == ["x", "y"]
    assert store.picture("q") == {"name": "y"}
    assert store.picture("r") is None
    assert store.described() == {"file.png": ("1-2", {"record": None})}
    assert store.starred() == {"file.png"}


def test_losses_are_cut_after_a_step_and_go_with_the_job(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.sqlite")
    store.save_jobs([("a", {}), ("b", {})])
    losses = [(level, step, 1.0) for level in (1, 2) for step in (1, 2, 3)]
    for job in "ab":
        store.add_losses(job, losses)
    store.cut_losses("a", 2, 1)
    assert store.losses("a") == losses[:4]
    assert store.losses("b") == losses
    store.remove_job("a")
    assert store.losses("a") == []
    assert set(store.jobs()) == {"b"}


def test_change_that_fails_half_way_changes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.sqlite")
    store.save_jobs([("a", {"n": 1})], order=["a"])
    with pytest.raises(TypeError):
        store.save_jobs([("a", {"n": 2})], order=object())
    assert store.jobs() == {"a": {"n": 1}}
    store.save_jobs([("a", {"n": 3})])  # no transaction was left open
    assert store.jobs() == {"a": {"n": 3}}


def save_for_ever(path: Path, number: int) -> None:
    store = Store(path)
    while True:
        number += 1
        store.save_jobs([("a", {"n": number}), ("b", {"n": number})], order=[number])


def test_disk_that_is_full_is_the_reason_that_is_given(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "a.sqlite")) as store:
        store.save_jobs([], value="before")
        pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
        store.connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(OutputError, match=r"database or disk is full.*free some space"):
            store.save_jobs([("a", {"text": "a" * 100_000})])
        store.save_jobs([], value="after")
        assert store.state("value", None) == "after"


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of POSIX")
def test_file_is_whole_after_the_process_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    number = 0
    for _ in range(3):
        process = multiprocessing.get_context("spawn").Process(
            target=save_for_ever, args=(path, number)
        )
        process.start()
        store = Store(path)
        while store.state("order", [0])[0] < number + 10:
            assert process.is_alive()
        store.close()
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        store = Store(path)
        (number,) = store.state("order", None)
        assert store.jobs() == {"a": {"n": number}, "b": {"n": number}}
        store.close()


def test_file_that_is_none_of_ours_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(b"no database at all, but long enough to be taken for one" * 20)
    with pytest.raises(OutputError, match=r"a\.sqlite.*choose"):
        Store(path)


def test_file_of_another_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    Store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(OutputError, match="another version"):
        Store(path)
