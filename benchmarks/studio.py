"""How soon the studio is there, what listeners cost a run, what an upload costs in memory.

    python -m benchmarks.studio [--clients 100] [--size 256] [--steps 60] [--repeats 3]

Start-up is from the command to the first answer of the page, with the processor time of the server
beside it, which a busy machine does not change. A run is timed from its first step to its last,
with and without clients on the event stream, in turns. The upload is of 10 GB, cut off at the
limit.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

EXAMPLES = Path(__file__).parent.parent / "examples"
SECONDS = 600


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studio", description=__doc__)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        times = [start_up(Path(folder) / str(number)) for number in range(options.repeats + 1)][1:]
        for index, name in enumerate(
            ("the address is printed", "the page is answered", "of it CPU")
        ):
            values = [each[index] for each in times]
            print(f"start-up, {name}: {min(values):.2f} to {max(values):.2f} s", flush=True)
        with server(Path(folder) / "pictures") as (address, process):
            body = job(address, options.size, options.steps)
            ratios = []
            run(address, body)  # which loads torch and compiles
            for _ in range(options.repeats):
                alone = run(address, body)
                with listening(address, options.clients) as received:
                    watched = run(address, body)
                ratios.append(watched / alone)
                print(
                    f"run alone {alone:.2f} s, with {options.clients} clients {watched:.2f} s, "
                    f"ratio {watched / alone:.3f}, {sum(received) / 1e6:.1f} MB of events",
                    flush=True,
                )
            print(f"median ratio {statistics.median(ratios):.3f}", flush=True)
            sent, grown, seconds = upload(address, process)
            print(
                f"upload of 10 GB: cut off after {sent / 1e6:.0f} MB in {seconds:.1f} s, "
                f"memory grew by {grown / 1e6:.1f} MB",
                flush=True,
            )


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """A studio on a port of its own: its address and its process."""
    command = [sys.executable, "-m", "vangram", "studio", "--no-open", "--port", "0"]
    started = subprocess.Popen(
        [*command, "--folder", str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    try:
        yield started.stdout.readline().strip(), psutil.Process(started.pid)
    finally:
        started.terminate()
        started.stdout.close()
        started.wait(SECONDS)


def start_up(folder: Path) -> tuple[float, float, float]:
    """Seconds until the address is printed, until the page is answered, and of processor time."""
    began = time.perf_counter()
    with server(folder) as (address, process):
        printed = time.perf_counter() - began
        httpx.get(address).raise_for_status()
        answered = time.perf_counter() - began
        times = process.cpu_times()
        return printed, answered, times.user + times.system


def job(address: str, size: int, steps: int) -> dict[str, object]:
    """The body of a job on the examples, a draft."""
    ids = []
    for path in ("photos/chelsea-the-cat.jpg", "styles/curl-field.jpg"):
        with (EXAMPLES / path).open("rb") as handle:
            answer = httpx.post(
                f"{address}/api/v1/pictures", files={"file": handle}, timeout=SECONDS
            )
        ids.append(answer.json()["id"])
    settings = {"size": size, "steps": steps, "tolerance": 0.0}
    return {"kind": "stylize", "content": ids[0], "styles": ids[1:], "settings": settings,
            "draft": True}  # fmt: skip


def run(address: str, body: dict[str, object]) -> float:
    """Seconds of a run, from its first progress to its end, as the events tell."""
    id = httpx.post(f"{address}/api/v1/jobs", json=body, timeout=SECONDS).json()["id"]
    began = 0.0
    with httpx.stream("GET", f"{address}/api/v1/events", timeout=SECONDS) as stream:
        for line in stream.iter_lines():
            if not line.startswith("data: ") or id not in line:
                continue
            told = json.loads(line.removeprefix("data: "))
            if told.get("id") != id:
                continue
            if not began and "step" in told:
                began = time.perf_counter()
            if told["state"] == "finished":
                return time.perf_counter() - began
            if told["state"] == "failed":
                raise RuntimeError(told["error"])
    raise RuntimeError("the stream ended")


@contextmanager
def listening(address: str, clients: int) -> Iterator[list[int]]:
    """Clients on the event stream, in a process of their own; bytes that each has received."""
    script = (
        "import asyncio, sys, httpx\n"
        "async def listen(client, counts, n):\n"
        "    async with client.stream('GET', sys.argv[1]) as stream:\n"
        "        async for data in stream.aiter_raw():\n"
        "            counts[n] += len(data)\n"
        "            if counts.count(0) == 0 and not told: told.append(print('all', flush=True))\n"
        "told = []\n"
        "async def main():\n"
        "    counts = [0] * int(sys.argv[2])\n"
        "    limits = httpx.Limits(max_connections=None)\n"
        "    async with httpx.AsyncClient(limits=limits, timeout=None) as client:\n"
        "        numbers = range(len(counts))\n"
        "        tasks = [asyncio.create_task(listen(client, counts, n)) for n in numbers]\n"
        "        await asyncio.to_thread(sys.stdin.read)\n"
        "        for task in tasks: task.cancel()\n"
        "    print(*counts)\n"
        "asyncio.run(main())\n"
    )
    url = f"{address}/api/v1/events"
    process = subprocess.Popen(
        [sys.executable, "-c", script, url, str(clients)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    received: list[int] = []
    try:
        yield received
    finally:
        process.stdin.close()
        received += map(int, process.stdout.read().split())
        process.stdout.close()
        process.wait(SECONDS)


def upload(address: str, process: psutil.Process) -> tuple[int, int, float]:
    """Bytes of an upload without end that are taken, bytes that the server grows by, seconds."""
    sent, done = 0, threading.Event()
    before = largest = process.memory_info().rss

    def watch() -> None:
        nonlocal largest
        while not done.wait(0.02):
            largest = max(largest, process.memory_info().rss)

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        while sent < 10**10:
            yield bytes(10**6)
            sent += 10**6

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    headers = {"content-type": "multipart/form-data; boundary=edge"}
    try:
        httpx.post(
            f"{address}/api/v1/pictures", content=endless(), headers=headers, timeout=SECONDS
        )
    except httpx.WriteError:
        pass  # the server closes the connection
    finally:
        done.set()
        watcher.join()
    return sent, largest - before, time.perf_counter() - began


if __name__ == "__main__":
    main()
