"""How the command line has memory and threads set: by whoever has said so, or else by us."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from vangram.storage.allocator import SPINS, let_segments_grow, let_threads_sleep

VARIABLES = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")


@pytest.mark.skipif(sys.platform != "linux", reason="torch has such segments on Linux alone")
@pytest.mark.parametrize("theirs", [None, *VARIABLES])
def test_a_gpus_segments_grow_unless_the_user_has_other_plans(
    theirs: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    if theirs is not None:
        monkeypatch.setenv(theirs, "max_split_size_mb:64")
    let_segments_grow()
    found = {name: os.environ.get(name) for name in VARIABLES}
    if theirs is None:
        assert found["PYTORCH_CUDA_ALLOC_CONF"] == "expandable_segments:True"
        monkeypatch.delenv("PYTORCH_CUDA_ALLOC_CONF")
    else:
        assert found == dict.fromkeys(VARIABLES) | {theirs: "max_split_size_mb:64"}


OF_OPENMP = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


@pytest.mark.parametrize("theirs", [None, *OF_OPENMP])
def test_waiting_threads_sleep_unless_the_user_has_other_plans(
    theirs: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in OF_OPENMP:
        monkeypatch.setenv(name, "")  # so that the end of the test takes it away
        monkeypatch.delenv(name)
    if theirs is not None:
        monkeypatch.setenv(theirs, "active")
    let_threads_sleep()
    found = {name: os.environ.get(name) for name in OF_OPENMP}
    if theirs is None:
        assert found == dict(zip(OF_OPENMP, ("passive", str(SPINS), None), strict=True))
    else:
        assert found == dict.fromkeys(OF_OPENMP) | {theirs: "active"}


def test_commands_set_how_threads_wait_before_torch_is_there() -> None:
    # OpenMP reads its variables when it is loaded.
    program = """
import sys
from vangram.storage import allocator
as_it_is = allocator.let_threads_sleep
def check():
    assert "torch" not in sys.modules
    as_it_is()
    print("before torch")
allocator.let_threads_sleep = check
sys.argv = ["vangram", "--version"]
from vangram.cli import main
main()
"""
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.stdout.startswith("before torch"), done.stderr
