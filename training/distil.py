"""Distil `vgg19-lite`: pictures and VGG-19 in, a safetensors file out.

    python -m training.distil --photos DIR --paintings DIR --teacher FILE --out FOLDER

The same command goes on where the last one stopped. The student begins with least squares, layer by
layer (`training.least_squares`), and then descends: it learns from crops of photographs
and paintings, and from such crops as it repaints them itself (`training.driven`). The rate of
learning rises, and then falls to nothing over the last part of the steps; a run can be given more
`--steps`.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.func import functional_call

from training import least_squares
from training.descent import Matrices, Variances, add_sources, rate, relative_gram_error
from training.driven import Driven
from training.pictures import PAINTING_SHARE, Crops, listed, read, training_photographs
from training.replay import Replay
from training.student_file import NETWORK, read_student, write_student
from training.teacher import LEVELS, VGG19, MixedNetwork, Teacher
from vangram.networks.registry import VGG19_LITE
from vangram.networks.topology import Topology, block_of
from vangram.networks.vgg import FeatureNetwork, head_name

HINTS = ("relu2_2", "relu3_4", "relu4_4")
"""Layers that are taught as the levels are, by heads that do not ship (Romero et al. 2015)."""
TAUGHT = tuple(sorted({*LEVELS, *HINTS}))
WEIGHTS = {
    "relu1_1": 4.0, "relu2_1": 3.0, "relu2_2": 0.2, "relu3_1": 3.0, "relu3_4": 0.4, "relu4_1": 2.0,
    "relu4_2": 1.0, "relu4_4": 1.0, "relu5_1": 3.0, "gram relu3_1": 1.5,
    "gram relu5_1": 2.0,
}  # fmt: skip
"""Of 1 - R², and of one Gram error. Shallow levels are soon learnt to within a few per cent; the
rest would go unheard."""
DEEP = tuple(layer for layer in TAUGHT if block_of(layer) > 3)
"""Layers whose targets take most of the teacher's time, and little memory."""
SHALLOW_BLOCKS = 2
FIRST_DEEP = f"{SHALLOW_BLOCKS + 1}_1"
REVIVE_EVERY = 200
"""Steps between two looks for channels that have gone silent."""
FIRST_BATCHES = 100
"""Batches that the student begins with (8 GB at 128 px)."""
FIRST_PICTURES, RIDGE = 64, 1e-3
"""Crops that hints' heads begin with; share of inputs' mean square that keeps them small."""
SECONDS_BETWEEN_SAVES = 120.0
REPLAYED = 4096
"""Crops whose deep targets are kept (3 GB at 128 px); each is drawn about three times."""


class Student(MixedNetwork):
    """The network being taught."""

    def __init__(self, topology: Topology, seed: int) -> None:
        torch.manual_seed(seed)
        super().__init__(topology)

    def forward(  # type: ignore[override]
        self, image: Tensor, fresh: int
    ) -> dict[str, Tensor]:
        """Features by layer.

        Args:
            image: (B, 3, H, W).
            fresh: pictures at the front. The others give the deep layers alone, and no gradient to
                the shallow blocks, where most of the time would go.
        """
        features = {}
        x, replayed = (self.preprocess(part) for part in (image[:fresh], image[fresh:]))
        for name in self.topology.convolutions:
            layer = f"relu{name}"
            if name == FIRST_DEEP:
                x = torch.cat([x, replayed])
            x = self.advance(name, x)
            if block_of(name) <= SHALLOW_BLOCKS:
                # Behind the fresh ones: autocast keeps what it cast, here without a gradient.
                with torch.no_grad():
                    replayed = self.advance(name, replayed)
            if layer in TAUGHT:
                features[layer] = self.head(layer, x if layer in DEEP else x[:fresh])
        return features


class Trainer:
    """Parameters, optimisers and data of one run; saves and restores all of it but the replay."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        trunk = replace(VGG19_LITE, widths=options.widths, depths=options.depths)
        self.shipped = replace(trunk, heads=heads_of(trunk, LEVELS))
        hints = {layer: VGG19.width(layer) for layer in HINTS}
        self.topology = replace(
            self.shipped, feature_layers=TAUGHT, heads=self.shipped.heads | hints
        )
        self.student = Student(self.topology, options.seed)
        self.matrices = Matrices(self.student, options.lr)
        self.photographs = training_photographs(options.photos)
        self.paintings = listed(options.paintings)
        self.crops = Crops(options.side, options.seed)
        self.crops.add([read(path) for path in self.photographs], 1.0)
        self.crops.add([read(path) for path in self.paintings], PAINTING_SHARE)
        self.driven = Driven(self.crops, options.seed)
        self.replay = Replay(REPLAYED, options.seed)
        self.teacher = Teacher(options.teacher)
        self.variances = Variances()
        self.step = 0
        self.leader = self.network()
        """The student that repaints, brought up to date before it does."""

    def train_step(self) -> dict[str, float]:
        """One batch; its losses by name."""
        parts = self.losses()
        total = torch.stack(
            [value * WEIGHTS.get(name, self.options.gram) for name, value in parts.items()]
        ).sum()
        self.matrices.descend(total, rate(self.step, self.options.steps, self.options.decay))
        self.step += 1
        return {name: value.item() for name, value in parts.items()}

    def losses(self) -> dict[str, Tensor]:
        """One minus R² per layer taught, and the relative Gram error per level.

        The teacher looks at the fresh crops of a batch; the others are replayed.
        """
        self.leader.load_state_dict(self.matrices.parameters())
        self.leader.drop_prepared()
        driven = self.driven.batch(self.leader, self.options.driven)
        fresh = torch.cat([self.crops.batch(self.options.fresh - len(driven)), driven])
        with torch.autocast("cpu", torch.bfloat16):
            targets = self.teacher(fresh, TAUGHT)
            images = fresh
            if len(self.replay):
                crops, deep = self.replay.draw(self.options.batch - len(fresh))
                images = torch.cat([fresh, crops])
            self.replay.add(fresh, {layer: targets[layer] for layer in DEEP})
            if len(images) > len(fresh):
                for layer in DEEP:
                    targets[layer] = torch.cat([targets[layer], deep[layer].to(targets[layer])])
            images = images.contiguous(memory_format=torch.channels_last)
            features = functional_call(
                self.student, self.matrices.parameters(), (images, len(fresh))
            )
            grams = {
                level: relative_gram_error(features[level], targets[level]) for level in LEVELS
            }
        parts = {f"gram {level}": value for level, value in grams.items()}
        for layer in TAUGHT:
            pair = features[layer].float(), targets[layer].float()
            parts[layer] = self.variances.relative(layer, *pair)
        return parts

    @torch.no_grad()
    def revive(self) -> int:
        """Give channels of the heads the least-squares answer where it is better; how many.

        A channel whose ReLU never opens has no gradient and would stay silent for ever. At the
        start nearly all channels of the hints' heads, which begin at random, are better off. The
        trunk's own channels, which other layers read, are left as they are.
        """
        pictures = self.options.batch if self.step else FIRST_PICTURES
        image, found = self.crops.batch(pictures), 0
        network, targets = self.network(), self.teacher(image, TAUGHT)
        for layer, activation in network.activations(image):
            if layer not in self.topology.heads:
                continue
            got, wanted = (
                f.permute(0, 2, 3, 1).flatten(0, 2)
                for f in (network.head(layer, activation), targets[layer])
            )
            head = head_name(layer)
            chosen = (got.amax(0) == 0) & (wanted.amax(0) > 0)
            seen = activation.permute(0, 2, 3, 1).flatten(0, 2)
            if self.step and not chosen.any():
                continue
            answer = least_squares.rectified(seen, wanted, RIDGE, rounds=1)
            if not self.step:
                better = (seen @ answer[:-1] + answer[-1]).relu()
                errors = ((f - wanted).square().sum(0) for f in (got, better))
                chosen |= torch.greater(*errors) & (layer in HINTS)
            self.matrices.values[f"{head}.weight"][chosen] = answer.mT[chosen, :-1]
            self.matrices.values[f"{head}.bias"][chosen] = answer.mT[chosen, -1]
            found += int(chosen.sum())
        return found

    def network(self) -> FeatureNetwork:
        """The student as it is now, frozen."""
        network = FeatureNetwork(self.topology)
        network.load_state_dict(self.matrices.parameters())
        return network.freeze()

    def shipped_parameters(self) -> dict[str, Tensor]:
        """The student's without the hints' heads."""
        wanted = FeatureNetwork(self.shipped).state_dict()
        return {n: p.detach() for n, p in self.matrices.parameters().items() if n in wanted}

    def save(self, folder: Path) -> None:
        """Write the checkpoint and the network, each whole or not at all."""
        state = self.matrices.state() | {
            "variances": self.variances.value,
            "crops": self.crops.generator.get_state(),
            "step": self.step,
        }
        torch.save(state, folder / "checkpoint.part")
        os.replace(folder / "checkpoint.part", folder / "checkpoint.pt")
        write_student(self.shipped_parameters(), folder / NETWORK)

    def load(self, folder: Path) -> None:
        """Go on from a checkpoint, or begin, with the network in the folder if there is one."""
        if (folder / "checkpoint.pt").exists():
            state = torch.load(folder / "checkpoint.pt", weights_only=True)
            self.matrices.load_state(state)
            self.variances.value, self.step = state["variances"], state["step"]
            self.crops.generator.set_state(state["crops"])
        else:
            there = (folder / NETWORK).exists()
            self.begin_with(read_student(folder / NETWORK) if there else {})

    @torch.no_grad()
    def begin_with(self, parameters: Mapping[str, Tensor]) -> None:
        """Begin with a network's first layers, and with least squares from the first new one on.

        Args:
            parameters: by the names of the file that ships; layers that it lacks, or has in another
                width, are new.
        """
        student = least_squares.completed(
            self.shipped,
            parameters,
            self.teacher.network,
            lambda: [self.crops.batch(self.options.batch) for _ in range(FIRST_BATCHES)],
        )
        self.matrices.assign(student.state_dict())


def heads_of(trunk: Topology, layers: Collection[str]) -> dict[str, int]:
    """Heads to VGG-19's width, at those layers where the trunk has another one."""
    widths = {layer: VGG19.width(layer) for layer in layers}
    return {
        layer: width
        for layer, width in widths.items()
        if trunk.channels(layer.removeprefix("relu")) != width
    }


def train(trainer: Trainer, folder: Path) -> None:
    """Steps until the schedule ends; a line of the log every 50 steps, now and then a save."""
    steps, started, saved = trainer.options.steps, time.monotonic(), time.monotonic()
    running: dict[str, float] = {}
    with (folder / "log.jsonl").open("a") as log:
        while trainer.step < steps:
            if trainer.step % REVIVE_EVERY == 0:
                print(f"step {trainer.step}: {trainer.revive()} silent channels", flush=True)
            for name, value in trainer.train_step().items():
                running[name] = value + 0.97 * (running.get(name, value) - value)
            if trainer.step % 50 == 0:
                elapsed = round(time.monotonic() - started, 1)
                rounded = {name: round(value, 4) for name, value in running.items()}
                log.write(json.dumps({"step": trainer.step, "seconds": elapsed} | rounded) + "\n")
                log.flush()
                levels = "  ".join(f"{level[4:]} {1 - running[level]:.3f}" for level in LEVELS)
                print(f"step {trainer.step}/{steps}  {elapsed:.0f} s  R²  {levels}", flush=True)
            if time.monotonic() - saved > SECONDS_BETWEEN_SAVES:
                trainer.save(folder)
                saved = time.monotonic()
    trainer.save(folder)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.distil", description=__doc__)
    add = parser.add_argument
    add_sources(parser)
    add("--out", type=Path, required=True, help="folder for checkpoint, log and network")
    add("--steps", type=int, default=4_000)
    add("--decay", type=float, default=1.0, help="share of the steps over which the rate falls")
    add("--batch", type=int, default=8)
    add("--fresh", type=int, default=2, help="crops of a batch that the teacher looks at")
    add("--driven", type=int, default=1, help="of those, crops that the student repaints")
    add("--side", type=int, default=128, help="of the crops, in pixels")
    add("--lr", type=float, default=2.5e-4)
    add("--gram", type=float, default=0.5, help="weight of the other Gram errors")
    add("--seed", type=int, default=1)
    add("--widths", type=_counts, default=VGG19_LITE.widths, help="to try another trunk")
    add("--depths", type=_counts, default=VGG19_LITE.depths, help="likewise")
    return parser.parse_args(arguments)


def _counts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def main() -> None:
    """Train, or go on training."""
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(options)
    trainer.load(options.out)
    train(trainer, options.out)


if __name__ == "__main__":
    main()
