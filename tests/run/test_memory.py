"""The memory model against the peaks of real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from vangram.networks import FeatureNetwork
from vangram.run.memory import InputMemory, MemoryModel, free_memory
from vangram.settings.recipe import Recipe

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

PEAK = """
import json, re, sys
from pathlib import Path
import torch
from vangram.storage.allocator import keep_freed_memory

def peak():
    # Not `getrusage`, which begins with the peak of the process that started this one.
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

keep_freed_memory()
settings, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
"""

RUN = (
    PEAK
    + """
from vangram.run import Checkpoint, Run, write_checkpoint
photograph, painting = torch.rand(3, 256, 256), torch.rand(3, 256, 256)
run = Run.prepare(photograph, painting, levels=1, **settings)
for step in run:
    write_checkpoint(folder / "checkpoint", Checkpoint(run.record, step.state))
run.painting(step.image).save(folder / "picture.png")
(plan,) = run.plans
print(json.dumps([peak(), plan.bytes, plan.tile is not None, plan.spilled]))
"""
)

WRAPPED = (
    PEAK
    + """
from vangram.objective import Evaluation
from vangram.optimize import LBFGS
from vangram.run.resized import ResizedInputs, flicker_stiffness, wrap_evaluate
from vangram.settings.recipe import Recipe
from vangram.storage.tensors import IN_MEMORY

def made(side):
    def given(name):
        shapes = (1, 3, side, side), (1, 1, side, side)
        return [torch.ones(shape) if settings[name] else None for shape in shapes]

    image, gradient = torch.ones(1, 3, side, side), torch.ones(1, 3, side, side)
    before = peak()
    last, trust = given("sequence")
    inputs = ResizedInputs(*given("keep"), last, trust, trust)
    optimizer = LBFGS(stiffness=flicker_stiffness(inputs, Recipe()))
    evaluate = lambda image: Evaluation(1.0, (), gradient.fill_(1))
    return image, wrap_evaluate(evaluate, inputs, Recipe(), IN_MEMORY), optimizer, before

image, wrapped, _, _ = made(64)
wrapped(image)  # whatever code it needs is loaded now
image, wrapped, optimizer, before = made(4096)
wrapped(image)
print(peak() - before)
"""
)


def measured(program: str, folder: Path, **settings: Any) -> Any:
    """What a program prints, in a process of its own."""
    words = [sys.executable, "-c", program, json.dumps(settings), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=300)
    return json.loads(done.stdout)


SHALLOW = {"content_layers": {"relu2_1": 1.0}, "style_layers": {"relu1_1": 1.0, "relu2_1": 1.0}}
"""Layers with small halos, so that tiles cost little time."""


@pytest.mark.parametrize(
    ("size", "memory", "tiled", "spilled"),
    [(384, None, False, False), (448, 720_000_000, True, False), (640, 620_000_000, True, True)],
)
def test_process_takes_what_its_plan_expects(
    size: int, memory: int | None, tiled: bool, spilled: bool, tmp_path: Path
) -> None:
    settings: dict[str, Any] = SHALLOW | {"size": size, "memory": memory, "steps": 1}
    peak, expected, *how = measured(RUN, tmp_path, **settings)
    assert how == [tiled, spilled]
    assert peak <= expected
    # The model's constants leave room for a larger process and for fragments.
    assert expected < 1.5 * peak
    if memory is not None:
        assert peak <= memory


@pytest.mark.parametrize(("keep", "sequence"), [(True, False), (False, True), (True, True)])
def test_what_is_kept_and_the_frame_before_take_what_the_model_counts(
    keep: bool, sequence: bool, lite: FeatureNetwork, tmp_path: Path
) -> None:
    inputs = InputMemory(keep=keep, sequence=sequence)
    counted = MemoryModel((4096, 4096), Recipe(), lite, inputs).wrappers
    peak = measured(WRAPPED, tmp_path, keep=keep, sequence=sequence)
    # Temporary tensors of a band, 4 MB each, and what the allocator adds; a mask is 67 MB.
    assert peak == pytest.approx(counted, abs=48e6)


def test_free_memory_is_some_and_no_more_than_there_is() -> None:
    assert 0 < free_memory(torch.device("cpu")) < psutil.virtual_memory().total
