"""How close a network is to VGG-19: R² and relative Gram error per level.

    python -m training.evaluate --photos DIR --paintings DIR --teacher FILE [--network FILE]

On held-out photographs, on paintings, and on pictures halfway through an optimisation of the one
towards the other. R² is one minus the squared error over the variance about each channel's mean,
both summed over all pictures, positions and channels. The relative Gram error is ‖G − A‖ / ‖A‖,
averaged over pictures.

Each level is compared with VGG-19 twice: padded by reflection, as the student is taught, and to the
letter, which pads with zeros. Of the latter, "inside" leaves out the positions whose sight reaches
the padding; it is blank where none is left.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from training.halfway import make
from training.pictures import centre, held_out_photographs, listed
from training.teacher import LEVELS, VGG19, Teacher
from vangram.errors import VangramError
from vangram.losses import gram_matrix
from vangram.networks import FeatureNetwork, load_network, parameters_path

PROGRAM = "python -m training.evaluate"
SIDE = 256
"""Of the square pictures compared, in pixels."""
HALFWAY = 25
"""Pictures halfway through an optimisation."""


class Comparison:
    """Running sums of one level's comparison over many pictures."""

    def __init__(self) -> None:
        self.error = self.square = 0.0
        self.sums = torch.zeros(())
        self.count = 0
        self.gram_errors: list[float] = []

    def add(self, got: Tensor, target: Tensor) -> None:
        """One picture's features (C, h, w); none where h or w is zero."""
        if not target.numel():
            return
        target = target.double()
        self.error += float((got - target).square().sum())
        self.square += float(target.square().sum())
        self.sums = self.sums + target.sum((1, 2))
        self.count += target[0].numel()
        wanted = gram_matrix(target)
        difference = gram_matrix(got.double()) - wanted
        self.gram_errors.append(float(difference.norm() / wanted.norm()))

    @property
    def r2(self) -> float | None:
        """Of all pictures together; None where there was no position."""
        if not self.count:
            return None
        return 1 - self.error / (self.square - float(self.sums.square().sum()) / self.count)

    @property
    def gram_error(self) -> float | None:
        """Mean over pictures; None where there was no position."""
        return sum(self.gram_errors) / len(self.gram_errors) if self.gram_errors else None


class Level:
    """One level's comparisons."""

    def __init__(self) -> None:
        self.reflected = Comparison()
        """With VGG-19 padded by reflection, whole pictures."""
        self.literal = Comparison()
        """With VGG-19 to the letter, whole pictures."""
        self.inside = Comparison()
        """Likewise, without the positions that see the padding."""


def inside(level: str, features: Tensor) -> Tensor:
    """Features (C, h', w') at the positions that do not see VGG-19's padding; h' may be zero."""
    margin = -(-VGG19.reach(level) // VGG19.stride(level))
    height, width = features.shape[1:]
    return features[:, margin : max(height - margin, margin), margin : max(width - margin, margin)]


@torch.no_grad()
def compare(
    network: FeatureNetwork, reflected: Teacher, literal: Teacher, pictures: Iterable[Tensor]
) -> dict[str, Level]:
    """A network's comparisons by level.

    Args:
        network: that has all of `LEVELS`.
        reflected: VGG-19 padded by reflection.
        literal: VGG-19 padded with zeros.
        pictures: (1, 3, H, W) each.
    """
    results = {level: Level() for level in LEVELS}
    for picture in pictures:
        features = network(picture, LEVELS), reflected(picture), literal(picture)
        for level, result in results.items():
            got, mirrored, published = (each[level][0] for each in features)
            result.reflected.add(got, mirrored)
            result.literal.add(got, published)
            result.inside.add(inside(level, got), inside(level, published))
    return results


def report(name: str, results: dict[str, Level]) -> None:
    """Print a table, ready for the model card."""
    print(f"\n{name}\n")
    print("| level | R² | Gram error | R², zeros inside | R², zeros | Gram error, zeros |")
    print("|---|---|---|---|---|---|", flush=True)
    for level, result in results.items():
        figures = (
            result.reflected.r2, result.reflected.gram_error, result.inside.r2,
            result.literal.r2, result.literal.gram_error,
        )  # fmt: skip
        cells = ("" if figure is None else f"{figure:.3f}" for figure in figures)
        print(f"| {level} | {' | '.join(cells)} |", flush=True)


def evaluate(options: argparse.Namespace) -> None:
    """Print all tables."""
    parameters = options.network or parameters_path("vgg19-lite")
    network = load_network("vgg19-lite", layers=LEVELS, parameters=parameters)
    teachers = Teacher(options.teacher), Teacher(options.teacher, padding="zeros")
    photographs, paintings = held_out_photographs(options.photos), listed(options.paintings)

    def table(name: str, paths: Sequence[Path]) -> None:
        pictures = (centre(path, SIDE) for path in paths)
        report(f"{name} ({len(paths)} pictures, {SIDE} px)", compare(network, *teachers, pictures))

    table("Photographs held out", photographs)
    table("Paintings", paintings)
    if options.halfway:
        with tempfile.TemporaryDirectory() as folder:
            halfway = make(
                parameters, photographs, paintings, Path(folder),
                count=options.halfway, seed=0, sizes=[SIDE + 64],
            )  # fmt: skip
            table("Pictures halfway", halfway)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="every 40th is evaluated")
    parser.add_argument("--paintings", type=Path, required=True, help="never trained on")
    parser.add_argument("--teacher", type=Path, required=True, help="file of VGG-19's parameters")
    parser.add_argument("--network", type=Path, help="a file; default: the one that ships")
    parser.add_argument(
        "--halfway", type=int, default=HALFWAY, help="pictures halfway through an optimisation"
    )
    options = parser.parse_args(arguments)
    try:
        evaluate(options)
    except (VangramError, OSError, SafetensorError) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
