"""Time and messages of one evaluation (loss and gradient) by several ranks, beside one alone.

    python -m benchmarks.distributed [--sizes 1024 2048] [--networks vgg19-lite vgg19] [--ranks 2]
    python -m benchmarks.distributed --model [--sizes 8192] [--gigabits 10]

The first form starts torchrun with ranks of one thread each on this machine. Rank 0 times the whole
engine, while the others wait, and the distributed one, in turns, each the second of two evaluations
in a row, as the system may have taken the memory of a rank that waited; then all ranks evaluate the
whole image at once, each by itself. The least times are printed. The efficiency is the time alone
over that of the ranks times their number. It needs a core for each rank. "At once" is the time
alone over that of all at once: what is missing from 1 there is lost to the memory and caches that
cores of one machine share, as it is not by ranks on machines of their own. The efficiency by CPU
seconds, rank 0's in both, shows the arithmetic on a busy machine as well. Bytes are those of the
loopback device, so other programs' are among them; the model's are beside them.

The second form computes nothing: for 2, 8 and 64 ranks it prints what the model says.

The model of an evaluation by N ranks. The image is square, and each rank has a strip. Convolutions
take the time; a rank's are those of its rows. Rank 0 sends every other rank the pixels of its
strip, with 16 rows on either side, and receives slopes, 12 bytes a pixel either way. After each
convolution but the first, and before each on the way back, neighbours send each other four to six
rows, 4 bytes a value. Statistics are added in 2 (N - 1) / N times their size at each rank, as in a
ring. Messages do not overlap with arithmetic. VGG-19 has random parameters, which make no
difference to the time.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import time
from contextlib import nullcontext

import psutil
import torch
import torch.distributed as dist

from benchmarks.evaluation import made
from vangram.engines import DistributedEngine, WholeEngine
from vangram.engines.distributed import END, serve
from vangram.engines.ranks import Ranks
from vangram.networks import FeatureNetwork
from vangram.networks.strips import ABOVE, BELOW, strip_tiles
from vangram.networks.tiles import window_size
from vangram.networks.topology import stride_of
from vangram.objective import BAND, Evaluate, Objective
from vangram.settings.recipe import Recipe
from vangram.settings.torchrun import rank_count
from vangram.storage.allocator import keep_freed_memory

PIXEL = 12
"""Bytes of a pixel, and of its gradient."""
VALUE = 4
"""Bytes of an activation, and of its gradient."""
SUM = 8
"""Bytes of each number of the statistics."""
LATENCY = 1e-4
"""Seconds of a message that is waited for, without its bytes."""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.distributed", description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=int, default=[1024, 2048])
    parser.add_argument("--networks", nargs="+", default=["vgg19-lite", "vgg19"])
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--model", action="store_true", help="compute nothing")
    parser.add_argument(
        "--gigabits", type=float, default=10.0, help="a second, of rank 0's network"
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of a megapixel alone")
    options = parser.parse_args()
    if options.model:
        print_model(options)
    elif rank_count() > 1:
        measure(options)
    else:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += [f"--nproc-per-node={options.ranks}", "-m", "benchmarks.distributed"]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "VANGRAM_TIMEOUT": "3600"}
        raise SystemExit(subprocess.call([*command, *sys.argv[1:]], env=environment))


def measure(options: argparse.Namespace) -> None:
    """Time evaluations at rank 0; the other ranks serve them, and compute beside it."""
    keep_freed_memory()
    torch.set_num_threads(1)
    ranks = Ranks.join()
    if not ranks.rank:
        print(f"torch {torch.__version__}, {ranks.size} ranks of one thread\n")
        titles = "alone | ranks | efficiency | at once | by CPU seconds | by the model"
        print(f"| network | size | {titles} | bytes | the model's |")
        print("|---" * 10 + "|")
    for name in options.networks:
        for side in options.sizes:
            evaluation = Measured(name, side, ranks, options.rounds)
            if ranks.rank:
                serve(ranks, nullcontext, lambda: 0)
                evaluation.at_once()
            else:
                print(evaluation.row(), flush=True)
    ranks.leave()


class Measured:
    """Evaluations of one network at one size, by all ranks.

    Args:
        name: of the network.
        side: of the image, pixels.
        ranks: the group.
        rounds: times that everything is timed.
    """

    def __init__(self, name: str, side: int, ranks: Ranks, rounds: int) -> None:
        self.name, self.side, self.ranks, self.rounds = name, side, ranks, rounds
        self.size = side, side
        self.network, self.recipe = made(name), Recipe()
        generator = torch.Generator().manual_seed(0)
        self.content, style = (torch.rand(1, 3, *self.size, generator=generator) for _ in range(2))
        style = style[..., : side // 2, : side // 2]
        self.objective = Objective.of(self.recipe, self.network, self.content, style, tile=512)
        self.whole = WholeEngine(self.network, self.objective)

    def at_once(self) -> float:
        """Least seconds of the whole engine, while every rank has it compute the same."""
        self.whole(self.content)
        times = []
        for _ in range(self.rounds):
            dist.barrier()
            start = time.perf_counter()
            self.whole(self.content)
            times.append(time.perf_counter() - start)
        return min(times)

    def row(self) -> str:
        """A row of the table, at rank 0."""
        ranks, network = self.ranks, self.network
        shared = DistributedEngine(ranks, network, self.objective, self.size)
        engines: tuple[Evaluate, Evaluate] = self.whole, shared
        sent: list[int] = []
        busy: dict[Evaluate, list[float]] = {each: [] for each in engines}

        seconds: dict[Evaluate, list[float]] = {each: [] for each in engines}
        for _ in range(self.rounds):
            for engine in engines:
                engine(self.content)
                bytes_before = _bytes_sent()
                start, busy_before = time.perf_counter(), time.process_time()
                engine(self.content)
                seconds[engine].append(time.perf_counter() - start)
                busy[engine].append(time.process_time() - busy_before)
                if engine is shared:
                    sent.append(_bytes_sent() - bytes_before)
        alone, together = (min(seconds[each]) for each in engines)
        with ranks.together(END):
            pass
        at_once = self.at_once()
        cpu_alone, cpu_together = (min(busy[each]) for each in engines)
        share, _, everywhere = modelled(network, self.side, ranks.size)
        return (
            f"| {self.name} | {self.side} × {self.side} | {alone:.2f} s | {together:.2f} s"
            f" | {alone / together / ranks.size:.2f} | {alone / at_once:.2f}"
            f" | {cpu_alone / cpu_together / ranks.size:.2f} | {1 / share / ranks.size:.2f}"
            f" | {min(sent) / 1e6:.1f} MB | {everywhere / 1e6:.1f} MB |"
        )


def print_model(options: argparse.Namespace) -> None:
    """What the model says of 2, 8 and 64 ranks."""
    print("| network | size | ranks | arithmetic | MB at rank 0 | messages | efficiency |")
    print("|---" * 7 + "|")
    for name in options.networks:
        for side in options.sizes:
            for count in (2, 8, 64):
                network = made(name)
                share, at_rank_0, _ = modelled(network, side, count)
                alone = options.seconds * side * side / 1e6
                waits = 2 * len(network.topology.up_to(Recipe().layers).convolutions) + 4
                messages = waits * LATENCY + at_rank_0 * 8 / (options.gigabits * 1e9)
                efficiency = alone / count / (alone * share + messages)
                print(
                    f"| {name} | {side} × {side} | {count} | {1 / share / count:.2f}"
                    f" | {at_rank_0 / 1e6:.0f} | {messages:.2f} s | {efficiency:.2f} |"
                )


def modelled(network: FeatureNetwork, side: int, count: int) -> tuple[float, float, float]:
    """The model of an evaluation.

    Args:
        network: of the features.
        side: of the image, pixels.
        count: number of ranks.

    Returns:
        The largest share of a rank in the arithmetic of one alone; bytes that rank 0 sends and
        receives; bytes that all ranks send.
    """
    size, topology = (side, side), network.topology.up_to(Recipe().layers)
    tiles = strip_tiles(size, count, BAND)
    heights = [window_size(tile.core)[0] for tile in tiles]
    pixels = [
        math.prod(window_size(tile.padded)) + math.prod(window_size(tile.core)) for tile in tiles
    ]
    moved = PIXEL * sum(pixels[1:])
    rows = ABOVE + BELOW[topology.padding]
    _, *others = topology.convolutions
    values = sum(topology.channels(name) * -(-side // stride_of(name)) for name in others)
    grad = values + topology.widths[0] * side
    between = VALUE * rows * (values + grad)
    widths = [topology.width(layer) for layer in Recipe().style_layers]
    sums = SUM * (sum(width * (width + 1) // 2 for width in widths) + side // BAND)
    ring = 2 * (count - 1) / count * sums
    at_rank_0 = moved + between + 2 * ring
    return max(heights) / side, at_rank_0, moved + (count - 1) * between + count * ring


def _bytes_sent() -> int:
    """Bytes that this machine's programs have sent each other."""
    return int(psutil.net_io_counters(pernic=True)["lo"].bytes_sent)


if __name__ == "__main__":
    main()
