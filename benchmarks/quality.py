"""Loss against seconds: the default plan beside the plain method that programs use by default.

    python -m benchmarks.quality [--pairs cat-curl-field ...] [--head FILE] [--evaluations 1000]

The plain method is one level at 512 px, from white noise, torch's L-BFGS as it comes (history of
100, no line search), gradients by autograd. Both minimise the same loss, which is checked on the
result, and each runs in a process of its own: the plain one as a script would, the other one as the
command line does. Seconds count from the pictures in memory on, the targets among them. Curves and
figures go to `benchmarks/figures/`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from vangram.cli.allocator import keep_freed_memory
from vangram.images import fit, read_picture, resize
from vangram.losses.total_variation import EPSILON
from vangram.networks import FeatureNetwork, load_network
from vangram.run import Run
from vangram.settings.recipe import Recipe

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
PAIRS = {
    "cat-curl-field": ("chelsea-the-cat.jpg", "curl-field.jpg"),
    "cup-stained-glass": ("espresso-cup.jpg", "stained-glass.jpg"),
    "rocket-woodblock": ("rocket-at-dusk.jpg", "woodblock.jpg"),
}
"""Photograph and style, from the examples."""
SIZE = 512
SAME = 1e-3
"""Relative: two ways in float32 to one loss, whose terms are differences of large sums."""
HEAD = {
    "network": "vgg19-caffe",
    "content_layers": {"relu3_2": 1.0},
    "style_layers": {f"relu{block}_1": 1 / 3 for block in (1, 2, 3)},
}
"""Settings for VGG-19's first blocks."""
Curve = list[tuple[float, float]]
"""Seconds and the lowest loss by then."""


@dataclass
class Result:
    """Of one pair of pictures on one network."""

    name: str
    plain: Curve
    plan: Curve
    """The last level alone: the losses of coarser ones are others'."""
    checked: float
    """The plain method's loss of the plan's picture, over the plan's own."""

    def reached(self) -> float | None:
        """Seconds until the plan's loss is the plain method's last, over the latter's."""
        target, seconds = self.plain[-1][1], self.plain[-1][0]
        return next((at / seconds for at, loss in self.plan if loss <= target), None)

    def row(self) -> str:
        """Of the table in README.md."""
        reached = self.reached()
        took = "not reached" if reached is None else f"{reached:.3f}"
        last, plan = self.plain[-1], self.plan[-1]
        return (
            f"| {self.name} | {last[1]:.4f} | {last[0]:.0f} s | {plan[1]:.4f} | {plan[0]:.0f} s "
            f"| {took} |"
        )


@dataclass(frozen=True)
class Problem:
    """What is run: pictures, recipe, and the file of VGG-19's first blocks, if they are it."""

    pair: str
    head: Path | None = None

    @property
    def name(self) -> str:
        """Of figures."""
        return f"{self.pair}, {'VGG-19 to relu3_2' if self.head else 'vgg19-lite'}"

    def paths(self) -> tuple[Path, Path]:
        """Photograph and style."""
        photograph, style = PAIRS[self.pair]
        return EXAMPLES / "photos" / photograph, EXAMPLES / "styles" / style

    def recipe(self) -> Recipe:
        """The defaults; on VGG-19's first blocks, the layers that there are."""
        plan = Recipe(size=SIZE, tolerance=0)
        return plan.replace(**HEAD) if self.head else plan

    def network(self) -> FeatureNetwork:
        """Frozen, channels innermost."""
        recipe = self.recipe()
        return load_network(recipe.network, layers=recipe.layers, parameters=self.head)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=[*PAIRS])
    parser.add_argument("--head", type=Path, help="VGG-19's parameters up to relu3_4")
    parser.add_argument("--evaluations", type=int, default=1000)
    options = parser.parse_args()
    print("| pictures, network | plain loss | its time | plan's loss | its time | reached at |")
    print("|---|---|---|---|---|---|", flush=True)
    problems = [Problem(pair) for pair in options.pairs]
    if options.head:
        problems.append(Problem(options.pairs[0], options.head))
    for problem in problems:
        path = HERE / "figures" / f"quality-{problem.pair}{'-head' if problem.head else ''}"
        result = measured(problem, options.evaluations)
        assert abs(result.checked - 1) < SAME, f"not the same loss: {result.checked}"
        path.with_suffix(".json").write_text(json.dumps(rounded(asdict(result))) + "\n")
        draw(result, path.with_suffix(".png"))
        print(result.row(), flush=True)


def measured(problem: Problem, evaluations: int) -> Result:
    """Both ways, one after the other, each in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, maxtasksperchild=1) as pool:
        plan, checked = pool.apply(by_plan, (problem,))
        plain = pool.apply(by_plain_method, (problem, evaluations))
    return Result(problem.name, plain, plan, checked)


def by_plan(problem: Problem) -> tuple[Curve, float]:
    """The default plan."""
    keep_freed_memory()
    curve, lowest = Curve(), float("inf")
    run = Run.prepare(*problem.paths(), recipe=problem.recipe(), parameters=problem.head)
    began = time.perf_counter()
    for step in run:
        if step.level.number == step.level.of:
            lowest = min(lowest, step.loss)
            curve.append((time.perf_counter() - began, lowest))
    with torch.no_grad():
        return curve, float(PlainLoss(problem)(step.image)) / lowest


def by_plain_method(problem: Problem, evaluations: int) -> Curve:
    """One level, from noise."""
    curve, lowest = Curve(), float("inf")
    began = time.perf_counter()
    loss_of = PlainLoss(problem)
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(loss_of.shape, generator=generator).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [image], max_iter=evaluations, max_eval=evaluations, tolerance_grad=0, tolerance_change=0
    )

    def closure() -> Tensor:
        nonlocal lowest
        optimizer.zero_grad()
        loss = loss_of(image)
        loss.backward()  # type: ignore[no-untyped-call]
        lowest = min(lowest, loss.item())
        curve.append((time.perf_counter() - began, lowest))
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return curve


class PlainLoss:
    """The default objective in relative units, as a script writes it down, for autograd."""

    def __init__(self, problem: Problem) -> None:
        self.recipe = problem.recipe()
        self.network = problem.network().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        photograph, painting = map(read_picture, problem.paths())
        content = resize(photograph.pixels, fit(photograph.size, SIZE))
        style = resize(painting.pixels, fit(painting.size, SIZE))
        self.shape = content.shape
        with torch.no_grad():
            self.content = self.network(content, self.recipe.content_layers)
            painted = self.network(style, self.recipe.style_layers)
        self.style = {layer: gram(features) for layer, features in painted.items()}

    def __call__(self, image: Tensor) -> Tensor:
        """The loss, a scalar."""
        features, recipe = self.network(image, self.recipe.layers), self.recipe
        loss = image.new_zeros(())
        for layer, weight in recipe.content_layers.items():
            target = self.content[layer]
            error = (features[layer] - target).square().sum() / target.square().sum()
            loss = loss + recipe.content_weight * weight * error
        for layer, weight in recipe.style_layers.items():
            wanted = self.style[layer]
            error = (gram(features[layer]) - wanted).square().sum() / wanted.square().sum()
            loss = loss + recipe.style_weight * weight * error
        dx = F.pad(image[..., 1:] - image[..., :-1], (0, 1))
        dy = F.pad(image[..., 1:, :] - image[..., :-1, :], (0, 0, 0, 1))
        variation = ((dx**2 + dy**2 + EPSILON**2).sqrt() - EPSILON).mean()
        unseen = (image - image.clamp(0, 1)).square().mean()
        return loss + recipe.tv_weight * variation + recipe.range_weight * unseen


def gram(features: Tensor) -> Tensor:
    """Per position."""
    flat = features[0].flatten(1)
    return flat @ flat.mT / flat.shape[1]


def rounded(values: object) -> object:
    """Fewer digits, for files that are kept."""
    if isinstance(values, dict):
        return {key: rounded(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [rounded(value) for value in values]
    return float(f"{values:.5g}") if isinstance(values, float) else values


def draw(result: Result, path: Path) -> None:
    """Both curves, both axes logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), dpi=100, layout="constrained")
    axes = figure.subplots()
    last = result.plain[-1]
    for curve, label in ((result.plain, "plain method, 1 level"), (result.plan, "default plan")):
        axes.plot(*zip(*curve, strict=True), label=label)
    axes.axhline(last[1], color="grey", linewidth=0.8, linestyle=":")
    axes.axvline(last[0] / 10, color="grey", linewidth=0.8, linestyle=":")
    axes.set(title=result.name, xlabel="seconds", ylabel="loss", xscale="log", yscale="log")
    axes.set_ylim(last[1] * 0.9, last[1] * 20)
    axes.legend()
    figure.savefig(path)


if __name__ == "__main__":
    main()
