"""A studio that runs, in processes of its own, as a user has it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
pytest.importorskip("uvicorn", reason="the extra `studio` is not installed")
pytest.importorskip("python_multipart", reason="the extra `studio` is not installed")
httpx = pytest.importorskip("httpx", reason="httpx is not installed")

SECONDS = 120
"""For what a busy machine may take its time over."""
ENDED = ("finished", "stopped", "failed", "cancelled")


class Studio:
    """A server on a port of its own, and a client.

    Args:
        folder: the output folder.
        words: more of the command.
    """

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "vangram", "studio", "--no-open", "--port", "0"]
        self.process = subprocess.Popen(
            [*command, "--folder", str(folder), *words],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        printed = self.process.stdout.readline().strip()
        assert printed.startswith("http://"), "the server did not start"
        self.address, _, self.token = printed.partition("/?token=")
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        base = f"{self.address}/api/v1"
        self.client = httpx.Client(base_url=base, headers=headers, timeout=SECONDS)

    def get(self, path: str, **options: Any) -> Any:
        """A GET's body; its status must be 200."""
        answer = self.client.get(path, **options)
        assert answer.status_code == 200, answer.content[:300]
        return answer.json()

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        """A POST's body; its status must say that all is well."""
        answer = self.client.post(path, json={} if body is None else body, **options)
        assert answer.status_code in (200, 201), answer.content[:300]
        return answer.json()

    def upload(self, path: Path) -> str:
        """The id of a picture that is uploaded."""
        answer = self.client.post("/pictures", files={"file": (path.name, path.read_bytes())})
        assert answer.status_code in (200, 201), answer.content[:300]
        return str(answer.json()["id"])

    def job(self, id: str) -> Any:
        """A job."""
        return self.get(f"/jobs/{id}")

    def wait(self, id: str, wanted: Callable[[Any], bool]) -> Any:
        """A job, once it is as wanted."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            job = self.job(id)
            if wanted(job):
                return job
            assert job["state"] not in ENDED, job
            time.sleep(0.05)
        raise AssertionError(f"the job never came so far: {self.job(id)}")

    def ended(self, id: str) -> Any:
        """A job that has ended."""
        return self.wait(id, lambda job: job["state"] in ENDED)

    def kill(self) -> None:
        """End the server and all that it started at once."""
        for pid in descendants(self.process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(SECONDS)
        self.client.close()

    def close(self) -> int:
        """End the server as Ctrl-C does; its exit code."""
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return self.process.wait(SECONDS)


def descendants(pid: int) -> list[int]:
    """A process and all that it started, itself first."""
    psutil = pytest.importorskip("psutil")
    process = psutil.Process(pid)
    return [pid, *(child.pid for child in process.children(recursive=True))]


@pytest.fixture
def open_studio(tmp_path: Path) -> Iterator[Callable[..., Studio]]:
    """Open studios, each on a folder of this test's own unless another is given."""
    opened: list[Studio] = []

    def open(folder: Path | None = None, *words: str) -> Studio:
        opened.append(Studio(folder or tmp_path / "pictures", *words))
        return opened[-1]

    yield open
    for studio in opened:
        studio.close()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One studio for all tests that leave nothing behind that disturbs others."""
    studio = Studio(tmp_path_factory.mktemp("studio") / "pictures")
    yield studio
    studio.close()


@pytest.fixture
def pair(shared: Studio, photo: Path, painting: Path) -> dict[str, Any]:
    """A photograph and a painting in the shared studio, as a job names them."""
    return {"content": shared.upload(photo), "styles": [shared.upload(painting)]}


def small(pair: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """The body of a job that takes a moment."""
    return {"kind": "stylize", **pair, "settings": {"size": 48, "steps": 4, **settings}}
