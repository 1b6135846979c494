"""Time of one evaluation (loss and gradient) beside the bare convolutions of the same network.

    python -m benchmarks.evaluation [--sizes 512x384 1024x768] [--networks vgg19-lite vgg19]
                                    [--device cuda [--precision tf32]] [--ablation]

The floor is every convolution that an evaluation needs, called plainly, forward and gradient to
input, on tensors of the right shape in the same memory format: no ReLU, pooling, padding, loss or
autograd. All are timed in turns; the least times and their ratios are printed, of the tiled engine
for tiles that are at most some shares of the picture, halos included. VGG-19 has random parameters,
which make no difference to the time.

With --ablation the last column is not of tiles: it is the evaluation as it is beside one by plain
torch calls, as on a machine that cannot compile the kernels.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from functools import partial
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vangram.engines import TiledEngine, WholeEngine
from vangram.kernels import gpu, jit
from vangram.kernels.precision import conv_precision
from vangram.networks import FeatureNetwork, load_network
from vangram.networks.registry import VGG19
from vangram.networks.tiles import best_core_size
from vangram.objective import Objective
from vangram.settings.recipe import Recipe
from vangram.storage.allocator import keep_freed_memory

SHARES = (0.7, 0.5, 0.25)
"""Of the picture's pixels, that a tile may have: what is left of the features' memory."""
CONTENT_LAYER = {"vgg19-lite": "relu4_2", "vgg19": "relu4_2"}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation", description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=["512x384", "1024x768"])
    parser.add_argument("--networks", nargs="+", choices=CONTENT_LAYER, default=[*CONTENT_LAYER])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["float32", "tf32"], default="float32")
    parser.add_argument("--ablation", action="store_true", help="what the kernels are worth")
    options = parser.parse_args()
    keep_freed_memory()
    print(f"torch {torch.__version__}, {described(options.device)}, {options.precision}")
    titles = [f"tiles of {share:g}" for share in SHARES]
    if options.ablation:
        titles = ["plain torch calls", "kernels beside them"]
    print(f"\n| network | size | evaluation | convolutions alone | ratio | {' | '.join(titles)} |")
    print("|---" * (5 + len(titles)) + "|")
    for name in options.networks:
        network = made(name).to(options.device)
        network.tf32 = options.precision == "tf32"
        for text in options.sizes:
            width, height = (int(side) for side in text.split("x"))
            size = height, width
            whole, *tiled = evaluations(name, network, size)
            others = [partial(without_kernels, whole)] if options.ablation else tiled
            floor, seconds, *more = in_turns(
                convolutions(network, size), whole, *others, rounds=options.rounds
            )
            cells = [f"{other / seconds:.2f}" for other in more]
            if options.ablation:
                cells = [f"{more[0] * 1e3:.0f} ms", f"{seconds / more[0]:.2f}"]
            times = f"{seconds * 1e3:.0f} ms | {floor * 1e3:.0f} ms | {seconds / floor:.2f}"
            print(f"| {name} | {width} × {height} | {times} | {' | '.join(cells)} |", flush=True)


def without_kernels(call: Callable[[], object]) -> None:
    """Do something by plain torch calls alone."""
    with (
        patch.object(jit, "HAS_LLVM", False),
        patch.object(gpu, "usable", lambda device: False),
    ):
        call()


def described(device: str) -> str:
    """What computes."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{torch.get_num_threads()} threads"


def made(name: str) -> FeatureNetwork:
    """The network to time; random parameters where none ship."""
    if name == "vgg19":
        torch.manual_seed(0)
        return FeatureNetwork(VGG19).freeze()
    return load_network(name)


def evaluations(
    name: str, network: FeatureNetwork, size: tuple[int, int]
) -> list[Callable[[], object]]:
    """One evaluation of the default objective, at once and in tiles of each share."""
    generator = torch.Generator().manual_seed(0)
    content, style = (
        torch.rand(1, 3, *size, generator=generator).to(network.mean.device) for _ in range(2)
    )
    recipe = Recipe(content_layers={CONTENT_LAYER[name]: 1.0})
    objective = Objective.of(recipe, network, content, style)
    engines: list[WholeEngine | TiledEngine] = [WholeEngine(network, objective)]
    for share in SHARES:
        cores = best_core_size(share * math.prod(size), size, network.topology, objective.layers)
        engines.append(TiledEngine(network, objective, cores))
    return [partial(engine, content) for engine in engines]


def convolutions(network: FeatureNetwork, size: tuple[int, int]) -> Callable[[], object]:
    """All convolutions up to the deepest layer needed, forward and gradient to input."""
    deepest = network.topology.convolutions.index("5_1")
    calls = []
    for conv_name in network.topology.convolutions[: deepest + 1]:
        block = int(conv_name[0]) - 1
        for kind in ("conv", "head"):
            conv = dict(network.named_children()).get(f"{kind}{conv_name}")
            if isinstance(conv, nn.Conv2d):
                calls.append(one_convolution(conv, (size[0] >> block, size[1] >> block)))

    def all_of_them() -> None:
        with conv_precision(tf32=network.tf32):
            for call in calls:
                call()

    return all_of_them


def one_convolution(conv: nn.Conv2d, size: tuple[int, int]) -> Callable[[], object]:
    """Forward and gradient to input of one convolution."""
    padding = [size // 2 for size in conv.kernel_size]
    layout = torch.channels_last
    x, slope = (
        torch.rand(1, channels, *size).to(conv.weight.device).contiguous(memory_format=layout)
        for channels in (conv.in_channels, conv.out_channels)
    )

    def call() -> tuple[Tensor, Tensor | None]:
        y = F.conv2d(x, conv.weight, conv.bias, padding=padding)
        (back, _, _) = torch.ops.aten.convolution_backward(
            slope, x, conv.weight, None, [1, 1], padding, [1, 1], False, [0, 0], 1,
            (True, False, False),
        )  # fmt: skip
        return y, back

    return call


def in_turns(*calls: Callable[[], object], rounds: int) -> list[float]:
    """Least seconds of each of several calls, after one round to warm up.

    The least and not the median: what else the machine does can only add.
    """
    least = [math.inf] * len(calls)
    for number in range(rounds + 1):
        for index, call in enumerate(calls):
            started = time.perf_counter()
            call()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if number:
                least[index] = min(least[index], time.perf_counter() - started)
    return least


if __name__ == "__main__":
    main()
