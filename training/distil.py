"""Distil `vgg19-lite`: pictures and teachers in, a safetensors file out.

    python -m training.distil --photos DIR --paintings DIR --teachers DIR --out FOLDER

The same command goes on where the last one stopped. After the first steps the student repaints
some of the photographs itself, and learns from the pictures halfway as well. The rate of learning
rises, and then falls to nothing over the last part of the steps; a run can be given more `--steps`.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.func import functional_call

from training.halfway import make
from training.pictures import Crops, listed, read, training_photographs
from training.teachers import EXACT_LEVELS, LEVELS, MixedNetwork, Teacher
from vangram.networks.feature_network import FeatureNetwork
from vangram.networks.registry import VGG19_LITE

HINTS = {"relu2_2": "relu2_2", "relu3_3": "relu3_4", "relu4_2": "relu4_2", "relu4_4": "relu4_4"}
"""Student's layer -> the teacher's whose activation it should contain, up to a linear map."""
LEVEL_WEIGHTS = dict.fromkeys(LEVELS, 1.0) | {"relu1_1": 4.0}
"""The first level is learnt to within a few per cent at once; its rest would go unheard."""
HINT_WEIGHT = 0.2
GRAM_WEIGHT = 0.1
EXACT_SHARE = 4
"""One crop in so many goes to the exact teacher, which costs more than the student itself."""
WARM_UP = 100
"""Steps over which the rate of learning rises."""
HALFWAY_AT = 2000
"""Steps after which the student makes pictures halfway through an optimisation."""
HALFWAY_COUNT = 60
REVIVE_EVERY = 200
"""Steps between two looks for channels that have gone silent."""
SECONDS_BETWEEN_SAVES = 120.0
OTHER_SHARE = 0.12
"""Crops of paintings, and of pictures halfway, for each crop of a photograph."""


class Student(nn.Module):
    """The network being taught, and linear read-outs for the hints, thrown away afterwards."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.network = MixedNetwork(VGG19_LITE)
        self.readouts = nn.ModuleDict()
        for layer, taught in HINTS.items():
            widths = VGG19_LITE.widths[int(layer[4]) - 1], 2 ** (int(taught[4]) + 3)
            self.readouts[layer] = nn.Conv2d(*widths, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, image: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Features by level, and the read-outs by the student's layer."""
        features, readouts = {}, {}
        for layer, activation in self.network.activations(image):
            if layer in LEVELS:
                features[layer] = self.network.head(layer, activation)
            if layer in HINTS:
                readouts[layer] = self.readouts[layer](activation)
        return features, readouts


class Moments:
    """Running variance of a target over positions, per channel, summed: what R² divides by."""

    def __init__(self) -> None:
        self.value: dict[str, float] = {}

    def relative(self, name: str, got: Tensor, target: Tensor) -> Tensor:
        """Mean squared error over the variance, which this batch is folded into first."""
        now = float(target.square().mean() - target.mean((0, 2, 3)).square().mean())
        self.value[name] = now + 0.98 * (self.value.get(name, now) - now)
        return (got - target).square().mean() / self.value[name]


def relative_gram_error(got: Tensor, target: Tensor) -> Tensor:
    """Mean over pictures of the squared relative error of their Gram matrices."""
    grams = [(f.flatten(2) @ f.flatten(2).mT).float() for f in (got, target)]
    error = (grams[0] - grams[1]).square().sum((1, 2))
    return (error / grams[1].square().sum((1, 2)).clamp_min(1e-12)).mean()


def rate(step: int, steps: int, decay: float) -> float:
    """Share of the peak learning rate at a step: warm-up, constant, then linearly to nothing."""
    left = (steps - step) / max(1.0, decay * steps)
    return min(1.0, (step + 1) / WARM_UP, left)


class Trainer:
    """Parameters, optimisers and data of one run; saves and restores all of it.

    Weights are kept as matrices (out, in * 9), for Muon (Jordan et al. 2024), whose orthogonalised
    steps got further than AdamW's in as many; AdamW has the heads and the biases.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.student = Student(options.seed)
        self.shapes = {name: p.shape for name, p in self.student.named_parameters()}
        self.matrices = {
            name: nn.Parameter(
                p.detach().flatten(1).clone() if p.dim() == 4 else p.detach().clone()
            )
            for name, p in self.student.named_parameters()
        }
        filters = [m for n, m in self.matrices.items() if ".conv" in n and n.endswith("weight")]
        chosen = {id(m) for m in filters}
        rest = [m for m in self.matrices.values() if id(m) not in chosen]
        self.optimizers = (
            torch.optim.Muon(
                filters, lr=options.lr, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
            ),
            torch.optim.AdamW(rest, lr=1.6 * options.lr, weight_decay=0.0, betas=(0.9, 0.98)),
        )
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["initial_lr"] = group["lr"]
        self.photographs = training_photographs(options.photos)
        self.paintings = listed(options.paintings)
        self.crops = Crops(options.side, options.seed)
        self.crops.add([read(path) for path in self.photographs], 1.0)
        self.crops.add([read(path) for path in self.paintings], OTHER_SHARE)
        self.teacher = Teacher(options.teachers)
        self.moments = Moments()
        self.step = 0

    def train_step(self) -> dict[str, float]:
        """One batch; its losses by name."""
        share = rate(self.step, self.options.steps, self.options.decay)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * share
            optimizer.zero_grad()
        parts = self.losses(self.crops.batch(self.options.batch))
        weights = {"gram": GRAM_WEIGHT, "hint": HINT_WEIGHT * share}
        total = torch.stack(
            [
                value * (LEVEL_WEIGHTS.get(name) or weights[name[:4]])
                for name, value in parts.items()
            ]
        ).sum()
        total.backward()
        for optimizer in self.optimizers:
            optimizer.step()
        self.step += 1
        return {name: value.item() for name, value in parts.items()}

    def losses(self, image: Tensor) -> dict[str, Tensor]:
        """One minus R² per level and per hint, and the relative Gram error per level."""
        some = image[: max(1, len(image) // EXACT_SHARE)]
        deep = [level for level in LEVELS if level not in EXACT_LEVELS]
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                targets = self.teacher(some, EXACT_LEVELS) | self.teacher(image, deep)
                hints = self.teacher.hints(image, HINTS.values())
            features, readouts = functional_call(self.student, self.parameters(), (image,))
            got = {level: features[level][: len(targets[level])] for level in LEVELS}
            grams = {level: relative_gram_error(got[level], targets[level]) for level in LEVELS}
        parts = {f"gram {level}": value for level, value in grams.items()}
        for level in LEVELS:
            pair = got[level].float(), targets[level].float()
            parts[level] = self.moments.relative(level, *pair)
        for layer, taught in HINTS.items():
            pair = readouts[layer].float(), hints[taught].float()
            parts[f"hint {layer}"] = self.moments.relative(f"hint {layer}", *pair)
        return parts

    def parameters(self) -> dict[str, Tensor]:
        """The student's parameters in their own shapes."""
        return {name: m.view(self.shapes[name]) for name, m in self.matrices.items()}

    @torch.no_grad()
    def revive(self) -> int:
        """Give head channels that have gone silent the least-squares answer; how many there were.

        A channel whose ReLU never opens has no gradient and would stay silent for ever.
        """
        image, found = self.crops.batch(self.options.batch), 0
        network, targets = self.network(), self.teacher(image, LEVELS)
        for layer, activation in network.activations(image):
            if layer not in LEVELS:
                continue
            got, wanted = (
                f.permute(0, 2, 3, 1).flatten(0, 2)
                for f in (network.head(layer, activation), targets[layer])
            )
            dead = (got.amax(0) == 0) & (wanted.amax(0) > 0)
            if not dead.any():
                continue
            seen = activation.permute(0, 2, 3, 1).flatten(0, 2)
            seen = torch.cat([seen, seen.new_ones(len(seen), 1)], 1)
            answer = torch.linalg.lstsq(seen, wanted[:, dead], driver="gelsd").solution.mT
            head = f"network.{layer.replace('relu', 'head')}"
            self.matrices[f"{head}.weight"][dead] = answer[:, :-1]
            self.matrices[f"{head}.bias"][dead] = answer[:, -1]
            found += int(dead.sum())
        return found

    def add_halfway(self, folder: Path) -> None:
        """Make the pictures halfway, unless they are there, and learn from them from here on."""
        paths = make(
            self.network(), self.photographs, self.paintings, folder,
            count=HALFWAY_COUNT, seed=self.options.seed,
        )  # fmt: skip
        self.crops.add([read(path) for path in paths], OTHER_SHARE)

    def network(self) -> FeatureNetwork:
        """The student as it would ship now, frozen."""
        network = FeatureNetwork(VGG19_LITE)
        network.load_state_dict(self.network_parameters())
        return network.freeze()

    def network_parameters(self) -> dict[str, Tensor]:
        """The student's without the read-outs, in half precision, as they ship."""
        return {
            name.removeprefix("network."): p.detach().half().contiguous()
            for name, p in self.parameters().items()
            if name.startswith("network.")
        }

    def save(self, folder: Path) -> None:
        """Write the checkpoint and the network, each whole or not at all."""
        state = {
            "matrices": self.matrices,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "moments": self.moments.value,
            "crops": self.crops.generator.get_state(),
            "step": self.step,
        }
        torch.save(state, folder / "checkpoint.part")
        os.replace(folder / "checkpoint.part", folder / "checkpoint.pt")
        save_file(self.network_parameters(), folder / "network.part")
        os.replace(folder / "network.part", folder / "vgg19-lite.safetensors")

    def load(self, folder: Path) -> None:
        """Go on from a checkpoint, or from a network alone where only that is there."""
        if (folder / "checkpoint.pt").exists():
            state = torch.load(folder / "checkpoint.pt", weights_only=True)
            with torch.no_grad():
                for name, matrix in self.matrices.items():
                    matrix.copy_(state["matrices"][name])
            for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
            self.moments.value, self.step = state["moments"], state["step"]
            self.crops.generator.set_state(state["crops"])
        elif (folder / "vgg19-lite.safetensors").exists():
            with torch.no_grad():
                for name, p in load_file(folder / "vgg19-lite.safetensors").items():
                    matrix = self.matrices[f"network.{name}"]
                    matrix.copy_(p.float().view(matrix.shape))


def train(trainer: Trainer, folder: Path) -> None:
    """Steps until the schedule ends; a line of the log every 50 steps, now and then a save."""
    steps, started, saved = trainer.options.steps, time.monotonic(), time.monotonic()
    running: dict[str, float] = {}
    if trainer.step > HALFWAY_AT:
        trainer.add_halfway(folder / "halfway")
    with (folder / "log.jsonl").open("a") as log:
        while trainer.step < steps:
            if trainer.step == HALFWAY_AT:
                trainer.add_halfway(folder / "halfway")
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
    add("--photos", type=Path, required=True, help="photographs; every 40th is left out")
    add("--paintings", type=Path, required=True, help="to learn from as well")
    add("--teachers", type=Path, required=True, help="folder with the two teacher files")
    add("--out", type=Path, required=True, help="folder for checkpoint, log and network")
    add("--steps", type=int, default=14_000)
    add("--decay", type=float, default=0.8, help="share of the steps over which the rate falls")
    add("--batch", type=int, default=8)
    add("--side", type=int, default=128, help="of the crops, in pixels")
    add("--lr", type=float, default=2.5e-3)
    add("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def main() -> None:
    """Train, or go on training."""
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(options)
    trainer.load(options.out)
    train(trainer, options.out)


if __name__ == "__main__":
    main()
