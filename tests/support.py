"""What several test files share beside fixtures: pictures, random networks, simple objectives."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from itertools import islice
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from vangram.kernels.codegen import HAS_LLVM
from vangram.networks import FeatureNetwork, Topology
from vangram.networks.registry import VGG19
from vangram.objective import Evaluate, Evaluation, Objective
from vangram.optimize import Step, descend
from vangram.run import Run
from vangram.run.plan import LevelPlan
from vangram.run.resized import ResizedInputs, first_image, resize_inputs
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe

needs_llvm = pytest.mark.skipif(not HAS_LLVM, reason="llvmlite is not installed")

NARROW_VGG19 = replace(VGG19, widths=(8, 16, 24, 32, 32))
"""VGG-19 in all but its widths, which no property here depends on; a hundredth of the time."""


def drawn(height: int, width: int, seed: int) -> Tensor:
    """A picture (3, height, width) of soft patches under fine grain, in levels of 1/255."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 5, 6, generator=generator)
    soft = functional.interpolate(coarse, (height, width), mode="bilinear")[0]
    grain = torch.rand(3, height, width, generator=generator)
    return ((0.8 * soft + 0.2 * grain) * 255).round() / 255


def batched(height: int, width: int, seed: int) -> Tensor:
    """A picture (1, 3, height, width) of soft patches, in float64."""
    return drawn(height, width, seed)[None].double()


def he_initialised(topology: Topology, seed: int = 0, dead_from: float = 1.0) -> FeatureNetwork:
    """A frozen float64 network of random parameters that keep activations at their scale.

    Args:
        topology: its shape.
        seed: of the parameters.
        dead_from: share of each layer's channels that live; the others' ReLUs never open.
    """
    generator = torch.Generator().manual_seed(seed)
    network = FeatureNetwork(topology).double()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_in = module.weight[0].numel()
            values = torch.randn(module.weight.shape, generator=generator, dtype=torch.float64)
            assert module.bias is not None
            with torch.no_grad():
                module.weight.copy_(values * (2 / fan_in) ** 0.5)
                module.bias.fill_(0.01)
                module.bias[round(dead_from * len(module.bias)) :] = -1e6
    return network.freeze()


def relative_error(got: Tensor, wanted: Tensor) -> float:
    """Norm of the difference over the norm of what is wanted."""
    return float((got - wanted).norm() / wanted.norm())


def rounding(
    terms: int,
    layers: int = 1,
    dtype: torch.dtype = torch.float64,
    condition: float = 1.0,
) -> float:
    """Largest relative difference by rounding alone between two computations of the same sums.

    Higham and Mary 2019, "A new approach to probabilistic rounding error analysis": the error of a
    sum of n terms grows as √n ε / 2, in any order of summation and so on any processor. Those of
    layers in a row add up. The factor of 4 allows for two computations that are both off by twice
    as much.

    Args:
        terms: n of the longest sums.
        layers: computed one after the other.
        dtype: of the sums.
        condition: relative change of the result over that of its inputs, as where sums cancel.
    """
    return 4 * condition * layers * math.sqrt(terms) * torch.finfo(dtype).eps


def closed(
    value: Callable[[Tensor], Tensor], gradient: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    """A function whose derivative autograd takes from a closed form, fit for `gradcheck`."""

    class Closed(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return value(x)

        @staticmethod
        def backward(ctx: Any, *slopes: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return slopes[0] * gradient(x)

    return Closed.apply


class PreparedLevel(NamedTuple):
    """One level of a run, as it is before its first step."""

    plan: LevelPlan
    inputs: ResizedInputs
    objective: Objective
    evaluate: Evaluate
    first: Tensor


def prepared_level(run: Run, index: int = -1) -> PreparedLevel:
    """A level of a run, the last one unless told."""
    plan = run.plans[index]
    inputs = resize_inputs(run.inputs, plan)
    objective = run.objective(plan, inputs)
    evaluate = run.evaluate(plan, objective, inputs)
    return PreparedLevel(plan, inputs, objective, evaluate, first_image(run.inputs, inputs, plan))


class Counted:
    """A value-and-gradient callable that is made from a loss and counts how often it is asked."""

    def __init__(self, loss: Callable[[Tensor], Tensor]) -> None:
        self.loss = loss
        self.calls = 0
        self.losses: list[float] = []

    def __call__(self, image: Tensor) -> Evaluation:
        self.calls += 1
        image = image.detach().clone().requires_grad_()
        loss = self.loss(image)
        (gradient,) = torch.autograd.grad(loss, image)
        self.losses.append(float(loss.detach()))
        return Evaluation(self.losses[-1], (), gradient)


def noise(seed: int) -> Tensor:
    """An image (1, 3, 4, 5) of white noise, in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((1, 3, 4, 5), generator=generator, dtype=torch.float64)


GOAL = noise(0)
"""Where `quadratic` is least."""
STIFFNESS = 10 ** (2 * noise(1))
"""Of `quadratic`, pixel by pixel: from 1 to 100."""


def quadratic(image: Tensor) -> Tensor:
    """A convex loss on images (1, 3, 4, 5), badly enough conditioned to be worth a metric."""
    return 0.5 * (STIFFNESS * (image - GOAL) ** 2).sum()


def stopped_by(reason: BaseException, after: int = 1) -> Callable[..., Iterator[Step]]:
    """A descent that takes so many steps, then fails."""

    def descent(*arguments: Any) -> Iterator[Step]:
        yield from islice(descend(*arguments), after)
        raise reason

    return descent


def accompanied_by(action: Callable[[], object]) -> Callable[..., Iterator[Step]]:
    """A descent during which something else happens, after each step."""

    def descent(*arguments: Any) -> Iterator[Step]:
        for step in descend(*arguments):
            action()
            yield step

    return descent


def refused_descent(*arguments: object) -> Iterator[Step]:
    """A descent that must not begin."""
    raise AssertionError("work began")


@contextmanager
def descending(descent: Callable[..., Iterator[Step]]) -> Iterator[None]:
    """Runs that take their steps from `descent`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("vangram.run.run"), "descend", descent)
        yield


@contextmanager
def nothing_made() -> Iterator[list[tuple[Recipe, Inputs[str]]]]:
    """Commands that read their options and make no picture: what they would have begun with."""
    begun: list[tuple[Recipe, Inputs[str]]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vangram.cli.begin.begin_run", lambda *given, **more: begun.append(given[:2]))
        yield begun


@contextmanager
def full_disk() -> Iterator[None]:
    """Files that take no byte: their largest size is zero."""
    resource = pytest.importorskip("resource", reason="this system has no limit of a file's size")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def banded(values: int) -> Iterator[None]:
    """Bands of rows of about so many values each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vangram.storage.tensors.BAND", values)
        yield
