"""Everything killed at any moment, started again: nothing is lost, and nothing there twice."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.studio.conftest import SECONDS, Studio, descendants, httpx, small
from tests.support import drawn
from vangram.images import read_picture, read_recipe

if os.name != "posix":
    pytest.skip("SIGKILL is of POSIX", allow_module_level=True)

KILLS = int(os.environ.get("VANGRAM_STUDIO_KILLS", "3"))
"""Of the server and all that it started, in the long story; 20 for a thorough look."""
OpenStudio = Callable[..., Studio]


def worker_of(studio: Studio) -> psutil.Process | None:
    """The process that runs the jobs."""
    for pid in descendants(studio.process.pid)[1:]:
        process = psutil.Process(pid)
        if "vangram.studio.worker_process" in process.cmdline():
            return process
    return None


@pytest.fixture
def given(open_studio: OpenStudio, photo: Path, painting: Path) -> tuple[Studio, dict[str, Any]]:
    studio = open_studio()
    return studio, {"content": studio.upload(photo), "styles": [studio.upload(painting)]}


def test_worker_that_is_killed_is_told_and_the_run_goes_on_from_its_checkpoint(
    shared: Studio, pair: dict[str, Any]
) -> None:
    studio = shared
    body = small(pair, size=64, steps=60, tolerance=0.0)
    whole = studio.ended(studio.post("/jobs", body)["id"])
    job = studio.post("/jobs", body)["id"]
    studio.wait(job, lambda job: bool(job["progress"] and job["progress"]["step"] > 5))
    worker = worker_of(studio)
    assert worker is not None
    worker.kill()
    job = studio.ended(job)
    assert job["state"] == "finished", job
    (note,) = job["notes"]
    assert "SIGKILL" in note
    same = (studio.folder / whole["result"]["name"]).read_bytes()
    assert (studio.folder / job["result"]["name"]).read_bytes() == same
    assert job["losses"] == whole["losses"]


def test_picture_that_was_written_before_the_kill_is_not_made_again(
    given: tuple[Studio, dict[str, Any]], open_studio: OpenStudio
) -> None:
    studio, pair = given
    job = studio.ended(studio.post("/jobs", small(pair))["id"])
    path = studio.folder / job["result"]["name"]
    before = path.stat()
    # As where the kill came between the picture and the word that it is there.
    studio.kill()
    from vangram.studio.store import Store

    store = Store(studio.folder / ".studio" / "studio.sqlite")
    saved = store.jobs()[job["id"]]
    store.save_jobs([(job["id"], saved | {"state": "running", "ended": None})])
    store.close()
    again = open_studio(studio.folder)
    assert again.ended(job["id"])["state"] == "finished"
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_server_alone_killed_leaves_no_worker_that_the_next_one_would_meet(
    given: tuple[Studio, dict[str, Any]], open_studio: OpenStudio
) -> None:
    studio, pair = given
    job = studio.post("/jobs", small(pair, size=64, steps=400, tolerance=0.0))["id"]
    studio.wait(job, lambda job: bool(job["progress"] and job["progress"]["step"] > 2))
    children = [psutil.Process(pid) for pid in descendants(studio.process.pid)[1:]]
    os.kill(studio.process.pid, signal.SIGKILL)
    studio.process.wait(SECONDS)
    again = open_studio(studio.folder)
    found = again.wait(job, lambda job: job["state"] == "running" and job["progress"])
    assert found["notes"] == []
    again.wait(job, lambda job: job["progress"]["step"] > found["progress"]["step"] + 2)
    gone, alive = psutil.wait_procs(children, SECONDS)
    assert len(gone) == len(children)
    assert not alive
    again.post(f"/jobs/{job}/cancel")
    again.ended(job)


def test_second_server_of_a_folder_points_to_the_first(shared: Studio) -> None:
    before = shared.get("/jobs")
    words = [sys.executable, "-m", "vangram", "studio", "--no-open", "--port", "0"]
    done = subprocess.run(
        [*words, "--folder", str(shared.folder)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.strip() == shared.address
    assert "open already" in done.stderr
    assert shared.get("/jobs") == before


def test_all_killed_at_random_loses_nothing_and_makes_nothing_twice(
    open_studio: OpenStudio, tmp_path: Path
) -> None:
    """Uploads, jobs and runs, while everything is killed again and again."""
    chance = random.Random(7)
    folder = tmp_path / "pictures"
    files = []
    for seed in range(6):
        from PIL import Image

        path = tmp_path / f"{seed}.png"
        levels = drawn(40, 52, seed).mul(255).round().byte()
        Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy()).save(path)
        files.append(path)
    uploaded: dict[Path, str] = {}
    jobs: dict[str, str] = {}
    """By key: only what the server has answered counts as told."""

    def clerk(studio: Studio) -> None:
        """Upload what is missing, then ask for jobs, until there are enough or the server dies."""
        try:
            for path in files:
                if path not in uploaded:
                    uploaded[path] = studio.upload(path)
            ids = [uploaded[path] for path in files]
            for number in range(5):
                key = f"job-{number}"
                pair = {"content": ids[number], "styles": [ids[number + 1]]}
                body = small(pair, size=56, steps=25, seed=number, tolerance=0.0)
                told = studio.post("/jobs", body, headers={"Idempotency-Key": key})
                assert jobs.setdefault(key, told["id"]) == told["id"]
        except (httpx.HTTPError, RuntimeError):
            return

    for _ in range(KILLS):
        studio = open_studio(folder)
        thread = threading.Thread(target=clerk, args=(studio,))
        thread.start()
        time.sleep(chance.uniform(0.0, 12.0))
        studio.kill()
        thread.join(SECONDS)
        assert not thread.is_alive()
    studio = open_studio(folder)
    clerk(studio)
    assert len(uploaded) == len(files)
    assert len(jobs) == 5
    for path, id in uploaded.items():
        answer = studio.client.get(f"/pictures/{id}/file")
        assert answer.content == path.read_bytes()
    ended = [studio.ended(id) for id in jobs.values()]
    assert [job["state"] for job in ended] == ["finished"] * 5, ended
    assert {job["id"] for job in studio.get("/jobs")["jobs"]} == set(jobs.values())
    pictures = [path for path in folder.iterdir() if path.is_file()]
    assert sorted(path.name for path in pictures) == sorted(j["result"]["name"] for j in ended)
    for job in ended:
        path = folder / job["result"]["name"]
        assert read_picture(path).size == (43, 56)
        assert [loss[1] for loss in job["losses"]] == list(range(1, 26))
    # The same as what is made without a kill.
    last = studio.ended(studio.post("/jobs", ended[0]["request"])["id"])
    same = (folder / ended[0]["result"]["name"]).read_bytes()
    assert (folder / last["result"]["name"]).read_bytes() == same
    assert read_recipe(folder / last["result"]["name"]) is not None
    assert not list((folder / ".studio" / "incoming").iterdir())


UPLOAD_SERVER = """
import sys
from pathlib import Path
from vangram.studio.serve import serve
serve(Path(sys.argv[1]), "127.0.0.1", 0, lambda found, ours: print(*found, flush=True), 60_000_000)
"""


def test_upload_without_end_is_cut_off_at_the_limit_and_takes_no_memory(tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", UPLOAD_SERVER, str(tmp_path / "pictures")],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        url = f"{address}/api/v1/pictures"
        process = psutil.Process(server.pid)
        sent = 0
        largest = before = process.memory_info().rss
        head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'

        def endless() -> Any:
            nonlocal sent, largest
            yield head
            while sent < 10_000_000_000:
                yield b"\x89PNG" + b"\0" * 999_996
                sent += 1_000_000
                largest = max(largest, process.memory_info().rss)

        headers = {"content-type": "multipart/form-data; boundary=edge"}
        try:
            answer = httpx.post(url, content=endless(), headers=headers, timeout=SECONDS)
            assert answer.status_code == 413
        except httpx.WriteError:
            pass  # the server closed before it was all read, which not every system tells as 413
        assert 60_000_000 <= sent + 1_000_000 <= 90_000_000
        assert largest - before < 20_000_000
        assert not list((tmp_path / "pictures" / ".studio" / "incoming").iterdir())
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=SECONDS) as connection:
            announced = (
                f"POST /api/v1/pictures HTTP/1.1\r\nHost: {host}:{port}\r\n"
                f"Content-Type: {headers['content-type']}\r\nContent-Length: 10000000000\r\n\r\n"
            )
            connection.sendall(announced.encode())  # and nothing of it
            assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
    finally:
        server.send_signal(signal.SIGINT)
        if server.stdout is not None:
            server.stdout.close()
        server.wait(SECONDS)
