"""How close a network is to its teachers: R² and relative Gram error per level.

    python -m training.evaluate --photos DIR --paintings DIR --teachers DIR [--network FILE]

On held-out photographs, on paintings, and on pictures halfway through an optimisation of the one
towards the other. R² is one minus the squared error over the variance about each channel's mean,
both summed over all pictures, positions and channels. The relative Gram error is ‖G − A‖ / ‖A‖,
averaged over pictures. Levels 1 to 3 are compared with VGG-19 to the letter, which pads with zeros
where vgg19-lite reflects: "inside" leaves out the positions whose sight reaches the padding,
"whole" does not.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from training.halfway import make
from training.pictures import centre, held_out_photographs, listed
from training.teachers import EXACT, EXACT_LEVELS, LEVELS, Teacher
from vangram.losses import gram
from vangram.networks import FeatureNetwork, load_network

SIDE = 256
"""Of the square pictures compared, in pixels."""


class Comparison:
    """Running sums of one level's comparison over many pictures."""

    def __init__(self) -> None:
        self.error = self.square = 0.0
        self.sums = torch.zeros(())
        self.count = 0
        self.gram_errors: list[float] = []

    def add(self, got: Tensor, target: Tensor) -> None:
        """One picture's features (C, h, w)."""
        target = target.double()
        self.error += float((got - target).square().sum())
        self.square += float(target.square().sum())
        self.sums = self.sums + target.sum((1, 2))
        self.count += target[0].numel()
        wanted = gram(target)
        difference = gram(got.double()) - wanted
        self.gram_errors.append(float(difference.norm() / wanted.norm()))

    @property
    def r2(self) -> float:
        """Of all pictures together."""
        return 1 - self.error / (self.square - float(self.sums.square().sum()) / self.count)

    @property
    def gram_error(self) -> float:
        """Mean over pictures."""
        return sum(self.gram_errors) / len(self.gram_errors)


@torch.no_grad()
def compare(
    network: FeatureNetwork, teacher: Teacher, pictures: Iterable[Tensor]
) -> dict[str, tuple[Comparison, Comparison]]:
    """By level, the comparison inside and of the whole picture."""
    results = {level: (Comparison(), Comparison()) for level in LEVELS}
    for picture in pictures:
        got, target = network(picture, LEVELS), teacher(picture)
        for level, (inside, whole) in results.items():
            whole.add(got[level][0], target[level][0])
            margin = 0
            if level in EXACT_LEVELS:
                margin = -(-EXACT.reach(level) // EXACT.stride(level))
            crop = slice(margin, -margin or None)
            inside.add(got[level][0][:, crop, crop], target[level][0][:, crop, crop])
    return results


def report(name: str, results: dict[str, tuple[Comparison, Comparison]]) -> None:
    """Print a table, ready for the model card."""
    print(f"\n{name}\n\n| level | R² inside | R² whole | Gram error inside |\n|---|---|---|---|")
    for level, (inside, whole) in results.items():
        print(f"| {level} | {inside.r2:.3f} | {whole.r2:.3f} | {inside.gram_error:.3f} |")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="every 40th is evaluated")
    parser.add_argument("--paintings", type=Path, required=True, help="never trained on")
    parser.add_argument("--teachers", type=Path, required=True)
    parser.add_argument("--network", type=Path, help="a file; default: the one that ships")
    options = parser.parse_args()
    network = load_network("vgg19-lite")
    if options.network:
        network.load_state_dict(load_file(options.network))
    teacher = Teacher(options.teachers, padding="zeros")
    photographs, paintings = held_out_photographs(options.photos), listed(options.paintings)
    with tempfile.TemporaryDirectory() as folder:
        halfway = make(
            network, photographs, paintings, Path(folder), count=25, seed=0, sizes=[SIDE + 64]
        )
        groups = {"photographs": photographs, "paintings": paintings, "halfway": halfway}
        for name, paths in groups.items():
            title = f"{name} ({len(paths)} pictures, {SIDE} px)"
            report(title, compare(network, teacher, (centre(path, SIDE) for path in paths)))


if __name__ == "__main__":
    main()
