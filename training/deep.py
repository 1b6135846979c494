"""The student's convolutions from 2_1 on, taught without those before.

    python -m training.deep --photos DIR --paintings DIR --teacher FILE --out FOLDER

Nearly all of the error arises after block 1, the one at the image's full size. That block stays as
it is, so its activations are computed once, and a batch can be four times as large as one of
`training.distil`, whose gradients are too noisy for the deep layers.

The folder's network gets what it lacks by least squares. Then, round by round, the student repaints
crops as it is by then (`training.driven`), they and new crops that nobody repainted are added to
those of earlier rounds, and the convolutions descend on all: few crops are soon learnt by heart.
The same command goes on at the round that was stopped, with the same result.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.func import functional_call

from training import least_squares
from training.descent import Matrices, Variances, add_sources, rate, relative_gram_error
from training.driven import Driven
from training.pictures import PAINTING_SHARE, Crops, listed, read, training_photographs
from training.student_file import NETWORK, read_student, write_student
from training.teacher import LEVELS, MixedNetwork, Teacher
from vangram.kernels import pool
from vangram.networks.registry import VGG19_LITE
from vangram.networks.topology import block_of
from vangram.networks.vgg import FeatureNetwork, head_name

DEEP = tuple(name for name in VGG19_LITE.convolutions if block_of(name) > 1)
TAUGHT = tuple(layer for layer in LEVELS if block_of(layer) > 1)
FIRST, BEFORE = DEEP[0], "relu1_2"
"""The first convolution that is taught, and the layer whose pooled activations are kept."""
INPUT = "input"
"""Name of those among what is kept."""
APART = {"relu2_1": 2}
"""Rows and columns from one kept position of a layer to the next, where not all are kept."""
FIRST_BATCHES = 140
"""Batches that least squares fit."""
CHUNK = 10
"""Crops computed at once."""
WEIGHTS = {
    "relu2_1": 3.0, "relu3_1": 3.0, "relu4_1": 2.0, "relu4_2": 1.0, "relu5_1": 3.0,
    "gram relu2_1": 0.5, "gram relu3_1": 1.5, "gram relu4_1": 0.5, "gram relu4_2": 0.5,
    "gram relu5_1": 2.0,
}  # fmt: skip
"""Of 1 - R², and of one Gram error, as in `training.distil`."""
REPAINTED_SHARE = 0.5
"""Share of each batch from the crops that the student repainted."""
Kept = dict[str, Tensor]
"""Inputs (N, C, h, w) of the first convolution taught, and targets by layer, float16."""


class Deep(MixedNetwork):
    """A student from the input of `FIRST` to the features at `TAUGHT`."""

    def __init__(self, student: FeatureNetwork) -> None:
        super().__init__(student.topology)
        self.load_state_dict(student.state_dict())
        kept = {*map(head_name, TAUGHT), *(f"conv{name}" for name in DEEP)}
        for name, _ in list(self.named_children()):
            if name not in kept:
                delattr(self, name)

    def forward(self, x: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        """Features by layer from pooled activations (B, C, h, w)."""
        features = {}
        for name in DEEP:
            x = F.relu(self._convolve(name, x)) if name == FIRST else self.advance(name, x)
            if (layer := f"relu{name}") in TAUGHT:
                features[layer] = at_kept_positions(layer, self.head(layer, x))
        return features


def at_kept_positions(layer: str, features: Tensor) -> Tensor:
    """Features (B, C, h, w) at the positions where targets are kept."""
    apart = APART.get(layer, 1)
    return features[..., ::apart, ::apart]


def first_input(student: FeatureNetwork, images: Tensor) -> Tensor:
    """Input (B, C, h, w) of `FIRST` for images (B, 3, H, W)."""
    before = next(x for layer, x in student.activations(images) if layer == BEFORE)
    return pool(before, student.topology.pooling_scale(block_of(FIRST)))


@torch.no_grad()
def collect(student: FeatureNetwork, teacher: Teacher, source: Crops | Driven, count: int) -> Kept:
    """Inputs and targets of new crops.

    Args:
        student: frozen; of `Driven` crops it is the one that repaints.
        teacher: gives the targets.
        source: of the crops.
        count: of crops, at least 1.
    """
    chunks = []
    for begun in range(0, count, CHUNK):
        size = min(CHUNK, count - begun)
        crops = source.batch(student, size) if isinstance(source, Driven) else source.batch(size)
        with torch.autocast("cpu", torch.bfloat16):
            targets = teacher(crops, TAUGHT)
        chunk = {layer: at_kept_positions(layer, target) for layer, target in targets.items()}
        chunk[INPUT] = first_input(student, crops)
        chunks.append({name: values.half() for name, values in chunk.items()})
    return {name: torch.cat([chunk[name] for chunk in chunks]).contiguous() for name in chunks[0]}


def drawn(rounds: Sequence[Kept], count: int, generator: torch.Generator) -> Kept:
    """Some crops of all rounds, each as likely as another, in the order of the rounds.

    Args:
        rounds: what each round kept; files of some gigabytes, of which these crops alone are read.
        count: of crops.
        generator: of the choice.
    """
    ends = torch.tensor([len(kept[INPUT]) for kept in rounds]).cumsum(0)
    chosen = torch.randint(int(ends[-1]), (count,), generator=generator).sort().values
    places = torch.bucketize(chosen, ends, right=True)
    rows = [
        (kept, chosen[places == place] - ends[place] + len(kept[INPUT]))
        for place, kept in enumerate(rounds)
    ]
    return {name: torch.cat([kept[name][r] for kept, r in rows]) for name in rounds[0]}


def descend(
    student: FeatureNetwork,
    kept: Sequence[Sequence[Kept]],
    options: argparse.Namespace,
    seed: int,
) -> FeatureNetwork:
    """Teach the convolutions from `FIRST` on; returns the network with them.

    Args:
        student: what to begin with.
        kept: by round, crops that nobody repainted, and those that the student repainted.
        options: `batch`, `steps`, `lr` and `decay`.
        seed: of the choice of crops.
    """
    deep, variances = Deep(student), [Variances() for _ in kept]
    matrices = Matrices(deep, options.lr)
    generator = torch.Generator().manual_seed(seed)
    repainted = round(REPAINTED_SHARE * options.batch)
    running: dict[str, float] = {}
    started = time.monotonic()
    for step in range(options.steps):
        total = torch.zeros(())
        for source, count, variance in zip(
            kept, (options.batch - repainted, repainted), variances, strict=True
        ):
            targets = drawn(source, count, generator)
            x = targets[INPUT].float().contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                features = functional_call(deep, matrices.parameters(), x)
            for layer in TAUGHT:
                got, wanted = features[layer].float(), targets[layer].float()
                parts = {
                    layer: variance.relative(layer, got, wanted),
                    f"gram {layer}": relative_gram_error(got, wanted),
                }
                for name, value in parts.items():
                    total = total + WEIGHTS[name] * value * (count / options.batch)
                    figure = name if source is kept[0] else f"{name} repainted"
                    running.setdefault(figure, value.item())
                    running[figure] += 0.03 * (value.item() - running[figure])
        matrices.descend(total, rate(step, options.steps, options.decay))
        if (step + 1) % 50 == 0:
            figures = {name: round(value, 4) for name, value in running.items()}
            line = {"step": step + 1, "seconds": round(time.monotonic() - started, 1)} | figures
            print(json.dumps(line), flush=True)
    network = FeatureNetwork(student.topology)
    taught = {name: p.detach() for name, p in matrices.parameters().items()}
    network.load_state_dict(student.state_dict() | taught)
    return network.freeze()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.deep", description=__doc__)
    add = parser.add_argument
    add_sources(parser)
    add("--out", type=Path, required=True, help="folder with the network; it is replaced there")
    add("--rounds", type=_positive, default=2)
    add("--crops", type=_positive, default=4000, help="of photographs and paintings, each round")
    add(
        "--driven", type=_positive, default=1500, help="crops that the student repaints, each round"
    )
    add("--steps", type=_positive, default=1000, help="of each round")
    add("--batch", type=_positive, default=32)
    add("--side", type=int, default=128, help="of the crops, in pixels")
    add("--lr", type=float, default=2e-4)
    add("--decay", type=float, default=0.8, help="share of the steps over which the rate falls")
    add("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    network = options.out / NETWORK
    if not network.exists():
        parser.error(f"there is no {network}; training.distil makes it")
    teacher = Teacher(options.teacher)
    photographs = [read(path) for path in training_photographs(options.photos)]
    paintings = [read(path) for path in listed(options.paintings)]

    def crops(seed: int) -> Crops:
        source = Crops(options.side, seed)
        source.add(photographs, 1.0)
        source.add(paintings, PAINTING_SHARE)
        return source

    def kept(name: str, source: Crops | Driven, count: int) -> Kept:
        path = options.out / f"{name}.safetensors"
        if not path.exists():
            part = path.with_suffix(".part")
            save_file(collect(student, teacher, source, count), part)
            part.replace(path)
        return load_file(path)

    def completed(path: Path) -> FeatureNetwork:
        source = crops(options.seed)
        return least_squares.completed(
            VGG19_LITE,
            read_student(path),
            teacher.network,
            lambda: [source.batch(options.batch) for _ in range(FIRST_BATCHES)],
        )

    write_student(completed(network).state_dict(), network)
    student = completed(network)  # as it was written, rounded, as after every round
    plain: list[Kept] = []
    repainted: list[Kept] = []
    for number in range(1, options.rounds + 1):
        seed, done = options.seed + 2 * number, options.out / f"round-{number}.safetensors"
        repainted.append(kept(f"repainted-{number}", Driven(crops(seed), seed), options.driven))
        plain.append(kept(f"crops-{number}", crops(seed + 1), options.crops))
        if not done.exists():
            taught = descend(student, (plain, repainted), options, seed)
            write_student(taught.state_dict(), done)
        # As it was written, rounded: the same whether the round was taught now or earlier.
        student = completed(done)
        write_student(student.state_dict(), network)
        print(f"round {number}: {done}", flush=True)


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"needs a whole number from 1, not {text!r}")
    return int(text)


if __name__ == "__main__":
    main()
