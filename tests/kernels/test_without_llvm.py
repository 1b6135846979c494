"""Without llvmlite torch alone computes, and the results are the same up to rounding."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from torch import Tensor

from tests.support import batched, needs_llvm, relative_error, rounding
from vangram.engines import engine_for
from vangram.networks import load_network
from vangram.objective import Objective
from vangram.settings.recipe import Recipe

SIZE = (96, 144)
SINGLE = rounding(9 * 384, 2 * 13, torch.float32)
"""Thirteen convolutions, forward and backward, with sums over at most 384 channels."""
BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "llvmlite":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocker())
import torch
from tests.kernels.test_without_llvm import gradients
from vangram.kernels.codegen import HAS_LLVM

assert not HAS_LLVM
torch.save(gradients(), sys.argv[1])
assert "llvmlite" not in sys.modules
"""


def gradients() -> list[Tensor]:
    """Gradients of the default objective, whole and in tiles."""
    network = load_network("vgg19-lite")
    content, style, image = (batched(*SIZE, seed=seed).float() for seed in (1, 2, 3))
    objective = Objective.of(Recipe(), network, content, style)
    engines = (engine_for(SIZE, tile, network, objective) for tile in (None, 48))
    return [engine(image).gradient for engine in engines]


@needs_llvm
def test_gradients_without_llvmlite_are_the_same_up_to_rounding(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", BLOCKED, str(tmp_path / "gradients")],
        check=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )
    compiled, by_torch = gradients(), torch.load(tmp_path / "gradients")
    for ours, theirs in zip(compiled, by_torch, strict=True):
        assert not torch.equal(ours, theirs)  # different code computed them
        assert relative_error(theirs, ours) < SINGLE
