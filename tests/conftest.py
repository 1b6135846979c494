"""Fixtures that several folders' tests share."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from vangram.storage.allocator import let_threads_sleep

let_threads_sleep()  # as commands do, before torch is imported
if processes := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    # Each process of the suite has its share of the cores, and so have the commands that it starts.
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // processes)))

from hypothesis import HealthCheck, settings
from PIL import Image

from tests.support import NARROW_VGG19, drawn, he_initialised
from vangram.networks import FeatureNetwork, load_network
from vangram.networks.registry import VGG19

# A busy machine is no failure: examples may take as long as they take.
settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("patient")


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def vgg19() -> FeatureNetwork:
    """VGG-19's topology with random parameters, float64: what is exact, is exact for any."""
    return he_initialised(VGG19)


@pytest.fixture(scope="session")
def narrow() -> FeatureNetwork:
    """VGG-19's topology with few channels and random parameters, float64."""
    return he_initialised(NARROW_VGG19)


@pytest.fixture(scope="session")
def lite() -> FeatureNetwork:
    """The network that ships, float32."""
    return load_network("vgg19-lite")


@pytest.fixture(scope="session")
def lite64() -> FeatureNetwork:
    """The network that ships, in float64."""
    return load_network("vgg19-lite").double()


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Draw a picture into a file."""

    def save(name: str, height: int = 48, width: int = 64, seed: int = 0) -> Path:
        levels = drawn(height, width, seed).mul(255).round().byte()
        Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy()).save(tmp_path / name)
        return tmp_path / name

    return save


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine where nobody answers: it is taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


@pytest.fixture
def photo(saved: Callable[..., Path]) -> Path:
    """A photograph's stand-in, 64 x 48 px."""
    return saved("photo.png", 48, 64, seed=1)


@pytest.fixture
def painting(saved: Callable[..., Path]) -> Path:
    """A painting's stand-in, 48 x 56 px."""
    return saved("painting.png", 56, 48, seed=2)


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Run the command line in this process."""
    from vangram.cli import main
    from vangram.cli.interrupts import SIGNALS

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["vangram", *map(str, arguments)])
        capsys.readouterr()
        before = {number: signal.getsignal(number) for number in SIGNALS}
        try:
            with pytest.raises(SystemExit) as stop:
                main()
        finally:  # a command ignores signals at its end
            for number, handler in before.items():
                signal.signal(number, handler)
        said = capsys.readouterr()
        return Outcome(int(stop.value.code or 0), said.out, said.err)

    return run
