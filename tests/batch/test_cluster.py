"""A batch on a real Ray cluster of two nodes, whose workers and one of whose nodes die."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_batch import one_thread, states
from tests.cli.test_commands import assert_refused
from tests.conftest import Outcome
from vangram.batch import Batch, Pair, cluster, crossed
from vangram.batch.cluster import Cluster, Order, Running, _paint
from vangram.batch.work import Entry
from vangram.cli.cluster_runner import _Moves, _Progress
from vangram.errors import SettingError
from vangram.run.checkpointer import checkpoint_path
from vangram.settings.recipe import Recipe

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="the extra `cluster` is missing")

SECONDS = 540
"""After which the cluster is taken to hang."""
LONG = ("--size", "48", "--steps", "300", "--tolerance", "0")
"""Long enough to be seen at work and interrupted."""
TINY = ("--size", "48", "--steps", "12", "--tolerance", "0")

# The command, three times on one cluster; what runs where is watched through its progress.
PROGRAM = """
import contextlib, io, json, os, signal, sys
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
os.environ["RAY_AUTH_MODE"] = "disabled"  # the cluster below takes no token
import ray
from ray.cluster_utils import Cluster
from vangram import cli
from vangram.cli import cluster_runner

limits = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
nodes = Cluster(initialize_head=True, head_node_args=limits | {"include_dashboard": False})
second = nodes.add_node(**limits)
seen, found = [], {}

def watched(act):
    def show(self, running):
        seen.extend(each for each in running if each not in seen)
        act(running)
    cluster_runner._Progress.__call__ = show

def vangram(*words):
    out, err = (io.TextIOWrapper(io.BytesIO(), write_through=True) for _ in range(2))
    sys.argv = ["vangram", "batch", *words]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a command's end ignores it
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
    return code, *(each.buffer.getvalue().decode().splitlines() for each in (out, err))

def kill(running):
    if running and "worker" not in found:
        found["worker"] = running[0].name, running[0].pid
        os.kill(running[0].pid, signal.SIGKILL)
        found["lost"] = running[0].name not in os.listdir(out)
    elif len(running) == 2 and "node" not in found and seen[-1].pid != found["worker"][1]:
        found["node"] = [each.name for each in running]
        nodes.remove_node(second, allow_graceful=False)

def interrupt(running):
    if any(each.done > 0 for each in running):
        signal.raise_signal(signal.SIGINT)

several, ship, out, shipped = json.loads(sys.argv[1])
address = ["--ray", nodes.address]
watched(kill)
found["killed"] = vangram(*several, "-o", out, *address)
watched(interrupt)
found["stopped"] = vangram(*ship, "-o", shipped, *address, "--ship")
found["left"] = sorted(os.listdir(shipped))
watched(lambda running: None)
found["again"] = vangram(*ship, "-o", shipped, *address, "--ship")
print(json.dumps(found))
nodes.shutdown()
"""


@needs_ray
def test_pictures_are_made_once_though_a_worker_and_a_node_die(
    command: Callable[..., Outcome], saved: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    for index in range(4):
        saved(f"photos/p{index}.png", 36, 48, seed=index)
    paintings = [str(saved(f"s{index}.png", 40, 48, seed=20 + index)) for index in range(3)]
    several = [str(tmp_path / "photos"), *paintings, *TINY]
    ship = [str(tmp_path / "photos" / "p0.png"), paintings[0], *LONG]
    out, shipped, alone = (tmp_path / name for name in ("out", "shipped", "alone"))
    words = json.dumps([several, ship, str(out), str(shipped)])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, words],
        capture_output=True, text=True, timeout=SECONDS, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    names = [f"p{n}-s{m}.png" for n in range(4) for m in range(3)]
    code, printed, err = found["killed"]
    assert code == 0, err
    assert sorted(printed) == [str(out / name) for name in names]
    assert found["lost"]  # so that another worker has made it
    assert len(found["node"]) == 2
    assert states(out) == dict.fromkeys(names, "made")
    assert sorted(os.listdir(out)) == sorted([*names, "batch.json"])

    code, printed, err = found["stopped"]
    assert (code, printed) == (130, []), err
    assert "0 of 1 picture made; the same command goes on" in err[-1]
    picture = shipped / "p0-s0.png"
    assert found["left"] == ["batch.json", picture.name, checkpoint_path(picture).name]
    code, printed, err = found["again"]
    assert (code, printed) == (0, [str(picture)]), err
    assert not checkpoint_path(picture).exists()

    with one_thread():  # as a task has, and the record tells
        assert command("batch", *several, "-o", alone).code == 0
        assert all((out / name).read_bytes() == (alone / name).read_bytes() for name in names)
        assert command("batch", *ship, "-o", alone, "--force").code == 0
    assert picture.read_bytes() == (alone / picture.name).read_bytes()


def test_words_that_need_a_cluster_are_refused_without_one(
    command: Callable[..., Outcome], photo: Path, painting: Path, tmp_path: Path
) -> None:
    words = ("batch", photo, painting, "-o", tmp_path / "out")
    for more in (("--ship",), ("--ray-cores", "2")):
        assert_refused(command(*words, *more), "add --ray")
    refused = command(*words, "--ray", "auto", "--sequence", "--flow", tmp_path)
    assert_refused(refused, "leave out --ray")
    assert not (tmp_path / "out").exists()


def test_picture_that_another_worker_makes_is_told_of_once() -> None:
    moves = _Moves()
    first, other = Running("a.png", "node", 1, 0.0), Running("b.png", "node", 2, 0.0)
    assert list(moves([first, other])) == []
    assert list(moves([first._replace(done=0.5)])) == []
    (note,) = moves([first._replace(pid=3, node="another"), other])
    assert note == "the worker of 'a.png' on node has died; it is tried again on another"
    assert list(moves([first._replace(pid=3, node="another")])) == []


def test_what_ray_prints_is_no_output_even_while_the_cluster_is_left(
    command: Callable[..., Outcome],
    photo: Path,
    painting: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Chatty:
        def __init__(self, address: str) -> None:
            print(f"pages of logs on joining {address}")

        def paint(self, batch: Batch, **options: object) -> Generator[list[Running]]:
            print("pages of logs on a node that died")
            yield []

        def close(self) -> None:
            print("pages of logs on leaving")

    monkeypatch.setattr("vangram.cli.cluster_runner.Cluster", Chatty)
    done = command("batch", photo, painting, "-o", tmp_path / "out", "--ray", "auto", *TINY)
    assert (done.code, done.out) == (0, "")


def refuse_to_join(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where Ray is asked to join a cluster; it would wait for minutes."""

    def tried(*words: object, **options: object) -> None:
        raise AssertionError("Ray would wait for minutes")

    monkeypatch.setattr("ray.init", tried)


@needs_ray
@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "auto", "127.0.0.1:99999"])
def test_address_where_nothing_answers_is_refused_at_once(
    form: str, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    refuse_to_join(monkeypatch)
    address = form.format(closed_port)
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{closed_port}")
    said = "runs on this machine" if form == "auto" else f"answers at '{address}' .*"
    with pytest.raises(SettingError, match=f"no Ray cluster {said}.*; start one"):
        Cluster(address)


def test_progress_without_news_is_printed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pairs = tuple(Pair(name, "style.png", name) for name in ("a.png", "b.png"))
    entries = {pair: Entry() for pair in pairs}
    batch = Batch(tmp_path, pairs, Recipe(), None, "", {}, entries)
    monkeypatch.setattr("vangram.cli.streams.Interval.is_over", lambda self, early=False: True)
    progress = _Progress(batch)
    for running in ([], [], [Running("a.png", "10.0.0.2", 7, 0.5)], []):
        progress(running)
    progress.close()
    lines = capfd.readouterr().err.splitlines()
    waiting = "0/2  no worker has begun: they start, or all cores are taken"
    assert lines[0] == waiting
    assert "a.png 50% on 10.0.0.2" in lines[1]
    assert len(lines) == 3


@needs_ray
@pytest.mark.parametrize(
    ("there", "given", "mode"),
    [(True, None, "token"), (True, "disabled", "disabled"), (False, None, None)],
)
def test_token_of_the_cluster_is_used_where_there_is_one(
    there: bool,
    given: str | None,
    mode: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str | None] = []
    monkeypatch.setattr("ray.init", lambda *_, **__: seen.append(os.environ.get("RAY_AUTH_MODE")))
    monkeypatch.setattr(cluster, "TOKEN", str(tmp_path / "auth_token"))
    monkeypatch.setenv("RAY_AUTH_MODE", given or "")
    if given is None:
        monkeypatch.delenv("RAY_AUTH_MODE")
    if there:
        (tmp_path / "auth_token").write_text("of the head")
    with socket.create_server(("127.0.0.1", 0)) as server:
        Cluster(f"127.0.0.1:{server.getsockname()[1]}")
    assert seen == [mode]


@needs_ray
def test_cluster_that_does_not_take_this_machine_is_not_called_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*words: object, **options: object) -> None:
        raise RuntimeError("Unauthenticated")

    monkeypatch.setattr("ray.init", refused)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(SettingError, match=rf"cluster at '{address}' cannot .*auth_token"):
            Cluster(address)


@needs_ray
def test_cluster_that_was_killed_is_not_waited_for(
    command: Callable[..., Outcome],
    photo: Path,
    painting: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    closed_port: int,
) -> None:
    refuse_to_join(monkeypatch)
    monkeypatch.setattr("ray._private.services.find_gcs_addresses", set)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(f"127.0.0.1:{closed_port}")
    done = command("batch", photo, painting, "-o", tmp_path / "out", "--ray", "auto", *TINY)
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert "no Ray cluster runs on this machine" in done.err


def test_missing_ray_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SettingError, match=r"pip install 'vangram\[cluster\]'"):
        Cluster("local")


@needs_ray
def test_node_with_another_version_or_without_the_files_is_refused_by_name(
    photo: Path, painting: Path, tmp_path: Path
) -> None:
    (pair,) = crossed([str(photo)], [str(painting)], "png")
    batch = Batch.prepare(tmp_path / "out", [pair], Recipe(size=48))
    with one_thread():
        with pytest.raises(
            SettingError, match=r"node [\d.]+ has VanGram .*, this machine has 0\.0"
        ):
            _paint(Order(batch, 1, version="0.0"), pair, None, None, None)
        gone = replace(pair, photo="/gone.png")
        with pytest.raises(SettingError, match=r"node [\d.]+ has no '/gone.png'; share it"):
            _paint(Order(batch, 1), gone, None, None, None)
