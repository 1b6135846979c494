"""Ranks that are killed at random under torchrun: is the picture the one of a run left alone?

    python -m benchmarks.killed_ranks [--kills 20] [--ranks 2] [--seed 0]

The command runs once alone, and once under `--max-restarts`, where a rank drawn at random gets
SIGKILL after each start: one kill of four at a random moment of the start itself, the others at one
amid the steps. It prints where each kill fell, and how the two pictures compare; the exit code is 1
where they differ.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import torch

from vangram.images import read_picture, write_picture

STEPS = 200
WORDS = f"--size 264 --levels 1 --steps {STEPS} --tolerance 0".split()
SHALLOW = ["--content-layers", "relu2_1", "--style-layers", "relu1_1"]
"""Quickly computed."""
STARTING = 5.0
"""Seconds after a start within which a rank is killed in one case of four."""
STEPPING = 1.5
"""Seconds after the first step within which one is killed in the others."""


class Agent:
    """torchrun, with the steps that rank 0 reports."""

    def __init__(self, ranks: int, restarts: int, words: Sequence[str]) -> None:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += [f"--nproc-per-node={ranks}", f"--max-restarts={restarts}", "-m", "vangram"]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(
            [*command, *words, "--progress", "json"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.step, self.reports = 0, 0
        self.said: list[str] = []
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith("{"):
                self.step = json.loads(line).get("step", self.step)
                self.reports += "step" in line
            else:
                self.said.append(line)

    def workers(self) -> dict[int, psutil.Process]:
        """The ranks' processes, by rank."""
        found = {}
        with suppress(psutil.Error):
            for child in psutil.Process(self.process.pid).children():
                with suppress(psutil.Error):
                    if (number := child.environ().get("RANK")) is not None:
                        found[int(number)] = child
        return found

    def ended(self) -> bool:
        """Whether torchrun has ended."""
        return self.process.poll() is not None

    def wait(self) -> int:
        """Its exit code."""
        code = self.process.wait()
        self.reader.join()
        return code


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.killed_ranks", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vangram-") as name:
        raise SystemExit(compared(options, Path(name)))


def compared(options: argparse.Namespace, folder: Path) -> int:
    """Both runs, in a folder."""
    generator = torch.Generator().manual_seed(options.seed)
    paths = [folder / "photo.png", folder / "painting.png"]
    for path, size in zip(paths, ((264, 100), (100, 80)), strict=True):
        write_picture(path, torch.rand(1, 3, *size, generator=generator))
    words = ["stylize", *map(str, paths), *WORDS, *SHALLOW, "-o"]
    alone, killed = folder / "alone.png", folder / "killed.png"
    started = time.monotonic()
    agent = Agent(options.ranks, 0, [*words, str(alone)])
    assert agent.wait() == 0, "".join(agent.said)
    print(f"{STEPS} steps by {options.ranks} ranks, left alone: {time.monotonic() - started:.0f} s")

    started = time.monotonic()
    agent = Agent(options.ranks, options.kills, [*words, str(killed)])
    fell = kill(agent, options)
    code = agent.wait()
    print(
        f"killed {sum(fell.values())} times: {time.monotonic() - started:.0f} s, exit code {code}"
    )
    for where, count in sorted(fell.items()):
        print(f"  {where}: {count}")
    if code:
        print("".join(agent.said))
        return 1
    ours, theirs = (read_picture(path).pixels for path in (killed, alone))
    same = torch.equal(ours, theirs)
    files = killed.read_bytes() == alone.read_bytes()
    print(f"the same pixels: {same}; the same file: {files}")
    return 0 if same else 1


def kill(agent: Agent, options: argparse.Namespace) -> Counter[str]:
    """Kill a rank after each start; returns how often it was which, and when."""
    draw, fell, seen = random.Random(options.seed), Counter[str](), set[int]()
    for _ in range(options.kills):
        while not agent.ended():
            workers = agent.workers()
            if len(workers) == options.ranks and not seen & {each.pid for each in workers.values()}:
                break
            time.sleep(0.02)
        before, stepping = agent.reports, draw.random() > 0.25
        while stepping and agent.reports < before + 2 and not agent.ended():
            time.sleep(0.01)
        moment = time.monotonic() + draw.uniform(0, STEPPING if stepping else STARTING)
        while time.monotonic() < moment and not agent.ended():
            time.sleep(0.01)
        if agent.ended():
            break
        seen |= {each.pid for each in workers.values()}
        rank = draw.randrange(options.ranks)
        amid = "amid steps" if agent.reports != before else "before the first step"
        with suppress(psutil.Error):
            workers[rank].kill()
            fell[f"rank {rank}, {amid}"] += 1
            print(f"  rank {rank} at step {agent.step}", flush=True)
    return fell


if __name__ == "__main__":
    main()
