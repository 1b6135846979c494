"""Judge networks by the pictures made with them: style left against content distance, by VGG-19.

    python -m training.judge --teacher FILE [--networks vgg19 vgg19-lite FILE ...]

Every network makes pictures of the same pairs with the same recipe at several strengths. VGG-19 as
published, with zero padding, measures them: the style left, ‖G − A‖² / ‖A‖² for Gram matrices per
position, at relu1_1 to relu5_1, and the content distance, ‖F − P‖² / ‖P‖² at relu4_2. More style
costs content, so a network's style left is compared with that of VGG-19's own pictures at the same
content distance, on the line between its strengths (logarithm of the mean style left, linear in the
content distance). Outside the range of VGG-19's pictures the nearest of them is taken, and the row
says so: beyond its strongest picture the ratio is too low, before its weakest too high.

Networks: "vgg19", whose parameters are the teacher's; "vgg19-lite", which ships; or a .safetensors
file of the same topology, which is copied first, as training may replace it. Pictures that the
folder has already with the same inputs, recipe and network are not made again. That does not see a
change of the program itself: empty the folder then.

`--padding reflect` lets VGG-19 pad by reflection, as `vgg19-lite` does and was taught, both where
it makes pictures and where it measures them: what differs then is the student's error alone. At
256 px most positions of relu5_1 see the padding.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vangram.errors import NetworkError, PictureError, RecipeError, SettingError, VangramError
from vangram.images import read_picture, read_recipe
from vangram.losses import gram_matrix
from vangram.networks import NETWORKS, load_network
from vangram.run import Run
from vangram.run.resized import resize_inputs, resize_styles
from vangram.settings.recipe import Recipe
from vangram.settings.record import Record
from vangram.storage.allocator import keep_freed_memory
from vangram.storage.files import quoted, replacing

PROGRAM = "python -m training.judge"
HERE = Path(__file__).resolve().parents[1]
PHOTOS, ART = HERE / "examples" / "photos", HERE.parent / "shared" / "art"
CONTENTS = (
    PHOTOS / "chelsea-the-cat.jpg", PHOTOS / "espresso-cup.jpg", PHOTOS / "rocket-at-dusk.jpg",
    ART / "tuebingen-neckarfront.jpg",
)  # fmt: skip
"""Default photographs, of which the last is not part of the project."""
STYLES = tuple(
    ART / f"{name}.jpg"
    for name in (
        "munch-the-scream", "picasso-seated-nude", "turner-shipwreck-of-the-minotaur",
        "van-gogh-starry-night",
    )
)  # fmt: skip
"""Default paintings, which are not part of the project."""

VGG19 = "vgg19"
"""Label of VGG-19 with the teacher's parameters."""
JUDGE = "vgg19-caffe"
"""Its name in the registry; "vgg19" there is torchvision's, with its input in other units."""
PADDINGS = {"zeros": JUDGE, "reflect": f"{JUDGE}-reflect"}
"""Names in the registry by padding; the second is entered there when it is asked for."""
STYLE_LAYERS = tuple(f"relu{block}_1" for block in range(1, 6))
CONTENT_LAYER = "relu4_2"
OTHER_CONTENT_LAYER = "relu4_1"
"""Content layer of networks without `CONTENT_LAYER`."""
FIGURES = "figures.json"


@dataclass(frozen=True)
class Candidate:
    """A network whose pictures are judged."""

    label: str
    """Unique; part of the pictures' names."""
    network: str
    """Its name in the registry."""
    parameters: Path | None
    """File of its parameters; None: those that ship."""


@dataclass(frozen=True)
class Pair:
    """A photograph and a painting."""

    content: Path
    style: Path

    @property
    def name(self) -> str:
        """PHOTOGRAPH-PAINTING."""
        return f"{self.content.stem}-{self.style.stem}"


@dataclass(frozen=True)
class Figures:
    """One picture's figures by VGG-19's features."""

    style: Mapping[str, float]
    """Layer -> style left."""
    content: float
    """Content distance."""

    @property
    def mean(self) -> float:
        """Style left, averaged over the layers."""
        return sum(self.style.values()) / len(self.style)


class Entry(NamedTuple):
    """One picture and its figures."""

    pair: str
    network: str
    """The candidate's label."""
    strength: float
    figures: Figures


class Ratio(NamedTuple):
    """One picture's style left over that of VGG-19's pictures at the same content distance."""

    pair: str
    network: str
    strength: float
    value: float
    covered: tuple[float, float] | None
    """Content distances of VGG-19's pictures, where this picture's lies outside; else None."""


class Summary(NamedTuple):
    """A network's ratios over pairs, at strength 1 and at all strengths."""

    network: str
    at_one: tuple[float, float] | None
    """Geometric mean and maximum; None where no picture has strength 1."""
    overall: tuple[float, float]
    outside: int
    """Pictures outside the range of VGG-19's."""
    pictures: int


def style_left(features: Tensor, target: Tensor) -> float:
    """‖G − A‖² / ‖A‖² for the Gram matrix G per position.

    Args:
        features: (C, h, w) of a picture.
        target: (C, C), the painting's Gram matrix A per position.
    """
    residual = gram_per_position(features) - target
    return float(residual.square().sum() / target.square().sum())


def content_distance(features: Tensor, target: Tensor) -> float:
    """‖F − P‖² / ‖P‖².

    Args:
        features: (C, h, w) of a picture.
        target: (C, h, w) of the photograph.
    """
    target = target.double()
    return float((features.double() - target).square().sum() / target.square().sum())


def gram_per_position(features: Tensor) -> Tensor:
    """G / M, (C, C) float64, of features (C, h, w) with M = h w."""
    return gram_matrix(features.double()) / features[0].numel()


def judge_padded(padding: str) -> str:
    """The name in the registry of VGG-19 with this padding, "zeros" or "reflect"."""
    name, published = PADDINGS[padding], NETWORKS[JUDGE]
    topology = replace(published.topology, padding=padding)
    NETWORKS[name] = replace(published, topology=topology)
    return name


class Judge:
    """VGG-19, and what it measures.

    Args:
        teacher: file of its parameters.
        name: of VGG-19 with the padding wanted, in the registry.
    """

    def __init__(self, teacher: Path, name: str = JUDGE) -> None:
        self.layers = (*STYLE_LAYERS, CONTENT_LAYER)
        self.network = load_network(name, layers=self.layers, parameters=teacher)

    @torch.no_grad()
    def targets(self, content: Tensor, painting: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """P of the photograph, (C, h, w), and by style layer A of the painting.

        Args:
            content: (1, 3, H, W), at the result's size.
            painting: (1, 3, H', W'), at the size that the run gives it.
        """
        painted = self.network(painting, STYLE_LAYERS)
        return (
            self.network(content, [CONTENT_LAYER])[CONTENT_LAYER][0],
            {layer: gram_per_position(features[0]) for layer, features in painted.items()},
        )

    @torch.no_grad()
    def figures(self, picture: Tensor, targets: tuple[Tensor, dict[str, Tensor]]) -> Figures:
        """Figures of a picture (1, 3, H, W) against the targets of its pair."""
        features, (content, style) = self.network(picture, self.layers), targets
        return Figures(
            {layer: style_left(features[layer][0], style[layer]) for layer in STYLE_LAYERS},
            content_distance(features[CONTENT_LAYER][0], content),
        )


def style_at(content: float, curve: Sequence[tuple[float, float]]) -> tuple[float, bool]:
    """Style left on a curve at a content distance, and whether the curve reaches it.

    Args:
        content: content distance.
        curve: (content distance, style left > 0) of one or more pictures, in any order. The
            logarithm of the style left is linear between neighbours; outside, the nearest counts.
    """
    distances, styles = zip(*sorted(curve), strict=True)
    inside = distances[0] <= content <= distances[-1]
    return math.exp(np.interp(content, distances, np.log(styles))), inside


def ratios_of(entries: Iterable[Entry]) -> list[Ratio]:
    """Ratios of all pictures that VGG-19 did not make; none of pairs without a picture of its."""
    by_pair: dict[str, list[Entry]] = {}
    for entry in entries:
        by_pair.setdefault(entry.pair, []).append(entry)
    ratios = []
    for pair, group in by_pair.items():
        curve = [(e.figures.content, e.figures.mean) for e in group if e.network == VGG19]
        if not curve:
            continue
        ends = min(curve)[0], max(curve)[0]
        for _, network, strength, figures in group:
            if network != VGG19:
                wanted, inside = style_at(figures.content, curve)
                beyond = None if inside else ends
                ratios.append(Ratio(pair, network, strength, figures.mean / wanted, beyond))
    return ratios


def summaries_of(ratios: Sequence[Ratio]) -> list[Summary]:
    """By network, geometric mean and maximum of its ratios."""
    summaries = []
    for network in dict.fromkeys(ratio.network for ratio in ratios):
        ours = [ratio for ratio in ratios if ratio.network == network]
        at_one = [ratio.value for ratio in ours if ratio.strength == 1]
        outside = sum(ratio.covered is not None for ratio in ours)
        overall = _mean_and_most([ratio.value for ratio in ours])
        summaries.append(
            Summary(
                network, _mean_and_most(at_one) if at_one else None, overall, outside, len(ours)
            )
        )
    return summaries


def _mean_and_most(values: Sequence[float]) -> tuple[float, float]:
    return math.exp(sum(map(math.log, values)) / len(values)), max(values)


def candidate(name: str, teacher: Path, folder: Path, judge: str = JUDGE) -> Candidate:
    """A network by its name on the command line; a file is copied into a folder.

    Args:
        name: as given.
        teacher: file of VGG-19's parameters.
        folder: of the copies.
        judge: name of VGG-19 in the registry.

    Raises:
        NetworkError: it is neither a name known here nor a file that can be read.
    """
    if name in (VGG19, JUDGE):
        return Candidate(VGG19, judge, teacher)
    if name == "vgg19-lite":
        return Candidate(name, name, None)
    path = Path(name)
    if path.suffix != ".safetensors":
        raise NetworkError(
            f"no network {name!r} to judge; give {VGG19}, vgg19-lite or a .safetensors file"
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NetworkError(f"{quoted(path)} cannot be read ({error.strerror})") from error
    label = f"{path.stem}-{hashlib.sha256(content).hexdigest()[:8]}"
    copy = folder / f"{label}.safetensors"
    with replacing(copy) as handle:
        handle.write(content)
    return Candidate(label, "vgg19-lite", copy)


def pairs_of(contents: Sequence[Path], styles: Sequence[Path], *, cross: bool) -> list[Pair]:
    """Photographs with paintings, one to one or each with every one.

    Raises:
        SettingError: the numbers differ, or two pairs would have one name.
    """
    if not cross and len(contents) != len(styles):
        raise SettingError(
            f"there are {len(contents)} contents and {len(styles)} styles; give as many, or --cross"
        )
    if cross:
        pairs = [Pair(content, style) for content in contents for style in styles]
    else:
        pairs = [Pair(*each) for each in zip(contents, styles, strict=True)]
    names = [pair.name for pair in pairs]
    for name in names:
        if names.count(name) > 1:
            raise SettingError(f"two pairs would be called {name}; rename a file")
    return pairs


def recipe_of(network: str, size: int, steps: int) -> Recipe:
    """The program's defaults with the content at `CONTENT_LAYER`, where the network has it."""
    has_it = CONTENT_LAYER in NETWORKS[network].topology.layers
    layer = CONTENT_LAYER if has_it else OTHER_CONTENT_LAYER
    return Recipe(network=network, size=size, steps=steps, content_layers={layer: 1.0})


def is_made(path: Path, record: Record) -> bool:
    """Whether a finished picture of the same inputs, recipe and network is there."""
    if not path.exists():
        return False
    try:
        there = Record.from_json(read_recipe(path) or "")
    except (PictureError, RecipeError):
        return False
    same = there.recipe.replace(memory=None) == record.recipe.replace(memory=None)
    return there.finished and same and not there.changes(record)


class Contest:
    """Pairs, candidates and strengths: all pictures of one call.

    Args:
        options: of the command line.

    Raises:
        InputError: something given cannot be used; no picture has been made then.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.out = options, options.out
        self.pairs = pairs_of(options.contents, options.styles, cross=options.cross)
        self.strengths = sorted(set(options.strengths))
        judge = judge_padded(options.padding)
        self.judge = Judge(options.teacher, judge)
        self.out.mkdir(parents=True, exist_ok=True)
        found = (candidate(name, options.teacher, self.out, judge) for name in options.networks)
        self.candidates = list({each.label: each for each in found}.values())
        for pair in self.pairs:
            for each in self.candidates:
                for strength in (self.strengths[0], self.strengths[-1]):
                    self.recipe(each, strength)
                self.prepared(pair, each, self.strengths[0])
        self.count = len(self.pairs) * len(self.candidates) * len(self.strengths)
        self.begun = 0

    def recipe(self, candidate: Candidate, strength: float) -> Recipe:
        """Of a picture."""
        plain = recipe_of(candidate.network, self.options.size, self.options.steps)
        return plain.strengthened(strength)

    def prepared(self, pair: Pair, candidate: Candidate, strength: float) -> Run:
        """The run that makes a picture."""
        recipe = self.recipe(candidate, strength)
        return Run.prepare(pair.content, pair.style, recipe=recipe, parameters=candidate.parameters)

    def entries(self, pair: Pair) -> list[Entry]:
        """Make a pair's pictures, where they are not there, and measure them."""
        entries, targets = [], None
        for each in self.candidates:
            for strength in self.strengths:
                run = self.prepared(pair, each, strength)
                path = self.out / f"{pair.name}-{each.label}-{strength:g}.png"
                self.begun += 1
                self.say(f"[{self.begun}/{self.count}] {path.stem}: {self.make(run, path)}")
                if targets is None:
                    plan = run.plans[-1]
                    content = resize_inputs(run.inputs, plan).content
                    assert content is not None
                    (painting,) = resize_styles(run.inputs, plan)
                    targets = self.judge.targets(content, painting)
                # As it was written, in 8 bits: the same whether it was made now or earlier.
                figures = self.judge.figures(read_picture(path).pixels, targets)
                entries.append(Entry(pair.name, each.label, strength, figures))
        return entries

    def make(self, run: Run, path: Path) -> str:
        """Make a picture unless it is there; says which."""
        if is_made(path, run.record):
            return "is there"
        began = time.monotonic()
        *_, last = run
        run.painting(last.image).save(path, overwrite=True)
        return f"made in {time.monotonic() - began:.0f} s"

    def say(self, line: str) -> None:
        """A line about progress."""
        print(line, file=sys.stderr, flush=True)

    def write(self, entries: Sequence[Entry]) -> None:
        """The figures so far, as JSON beside the pictures."""
        ratios = ratios_of(entries)
        figures = {
            "size": self.options.size,
            "padding": self.options.padding,
            "steps": self.options.steps,
            "networks": {each.label: str(each.parameters or "") for each in self.candidates},
            "pairs": {pair.name: [str(pair.content), str(pair.style)] for pair in self.pairs},
            "pictures": [
                entry._asdict() | {"figures": asdict(entry.figures) | {"mean": entry.figures.mean}}
                for entry in entries
            ],
            "ratios": [ratio._asdict() for ratio in ratios],
            "summaries": [summary._asdict() for summary in summaries_of(ratios)],
        }
        with replacing(self.out / FIGURES) as handle:
            handle.write(json.dumps(figures, indent=1).encode() + b"\n")


def report_pair(entries: Sequence[Entry]) -> None:
    """Print a pair's figures and ratios."""
    print(f"\n{entries[0].pair}\n")
    _print_row("network", "strength", *STYLE_LAYERS, "mean style left", "content distance")
    _print_row(*["---"] * (4 + len(STYLE_LAYERS)))
    for _, network, strength, figures in entries:
        style = (f"{figures.style[layer]:.4f}" for layer in STYLE_LAYERS)
        _print_row(
            network, f"{strength:g}", *style, f"{figures.mean:.4f}", f"{figures.content:.3f}"
        )
    ratios = ratios_of(entries)
    if not ratios:
        return
    print()
    _print_row("network", "strength", "style left over VGG-19's at this content distance")
    _print_row(*["---"] * 3)
    for ratio in ratios:
        note = ""
        if ratio.covered is not None:
            low, high = ratio.covered
            note = f" (outside VGG-19's {low:.3f} to {high:.3f}: over its nearest picture's)"
        _print_row(ratio.network, f"{ratio.strength:g}", f"{ratio.value:.2f}{note}")


def report_summaries(summaries: Sequence[Summary]) -> None:
    """Print geometric means and maxima of the ratios."""
    if not summaries:
        print(f"\nno ratios: they need pictures of {VGG19} and of another network")
        return
    print("\nStyle left over VGG-19's at the same content distance: geometric mean and maximum\n")
    _print_row(
        "network", "strength 1, mean", "strength 1, maximum", "all strengths, mean",
        "all strengths, maximum", "outside VGG-19's range",
    )  # fmt: skip
    _print_row(*["---"] * 6)
    for network, at_one, overall, outside, pictures in summaries:
        ones = ["", ""] if at_one is None else [f"{value:.2f}" for value in at_one]
        everything = [f"{value:.2f}" for value in overall]
        _print_row(network, *ones, *everything, f"{outside} of {pictures}")


def _print_row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line.

    Raises:
        SettingError: the default paintings are wanted, and not there.
    """
    parser = argparse.ArgumentParser(prog=PROGRAM, description=__doc__)
    add = parser.add_argument
    add("--teacher", type=Path, required=True, help="file of VGG-19's parameters")
    add("--networks", nargs="+", default=[VGG19, "vgg19-lite"], metavar="NAME_OR_FILE")
    add("--contents", nargs="+", type=Path, metavar="FILE", help="photographs")
    add("--styles", nargs="+", type=Path, metavar="FILE", help="paintings, one a photograph")
    add("--cross", action="store_true", help="each photograph with every painting")
    add("--strengths", nargs="+", type=float, default=[0.5, 1.0, 2.0, 4.0])
    add("--size", type=int, default=256, help="longer side of the pictures in pixels")
    add("--steps", type=int, default=Recipe().steps, help="at the full size, at most")
    add("--padding", choices=tuple(PADDINGS), default="zeros", help="VGG-19's")
    add("--out", type=Path, default=Path("runs/judge"), help="folder for pictures and figures")
    options = parser.parse_args(arguments)
    if options.contents is None:
        options.contents = [path for path in CONTENTS if path.exists()]
    if options.styles is None:
        if not all(path.exists() for path in STYLES):
            raise SettingError(f"the default paintings are not in {quoted(ART)}; pass --styles")
        options.styles = list(STYLES)
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    keep_freed_memory()
    try:
        options = parse(arguments)
        contest, entries = Contest(options), list[Entry]()
        for pair in contest.pairs:
            entries += contest.entries(pair)
            contest.write(entries)
            report_pair([entry for entry in entries if entry.pair == pair.name])
        report_summaries(summaries_of(ratios_of(entries)))
    except (VangramError, OSError) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
