"""Self-test: each fast path against its reference, on this machine."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from vangram.engines import TiledEngine, WholeEngine
from vangram.losses import Moments, content_loss, out_of_range_loss, total_variation_loss
from vangram.networks import FeatureNetwork, ForwardPass
from vangram.objective import Objective, TermKey
from vangram.optimize import LBFGS, Level, LevelState, descend
from vangram.settings.recipe import Recipe

EXACT = 1e-12
"""Allowed error in float64: a million terms summed in another order."""
ROOTED = 1e-11
"""Allowed error with roots of covariances, which are steep near zero and so a hundred times as
sensitive."""
SINGLE = 1e-5
"""Allowed error in float32: of seven digits, a dozen layers and the residuals cost two."""
FLIPS = 2.0
"""Allowed error between two float32 gradients, relative to the one between float32 and float64: a
maximum or a ReLU may be decided differently in each."""


@dataclass(frozen=True)
class Check:
    """One comparison."""

    name: str
    error: float
    """Norm of the difference over the norm of the reference."""
    allowed: float

    @property
    def holds(self) -> bool:
        """Whether the error is small enough; NaN is not."""
        return self.error <= self.allowed


def verify(
    network: FeatureNetwork, recipe: Recipe, size: tuple[int, int], tile: int
) -> Iterator[Check]:
    """Compare each fast path with its reference, on pictures of noise.

    Args:
        network: float32; tested on its device, and in float64 on the CPU.
        recipe: layers, weights and units.
        size: (height, width) of the image.
        tile: pixels of a tile's core along either axis.

    Raises:
        SizeError: the size is too small for the network's layers.
    """
    generator = torch.Generator().manual_seed(recipe.seed)
    content, style, image = (torch.rand(1, 3, *size, generator=generator) for _ in range(3))
    doubled = copy.deepcopy(network).cpu().double()
    exact = Objective.of(recipe, doubled, content.double(), style.double())
    whole = WholeEngine(doubled, exact)(image.double())
    true = _by_autograd(exact, doubled, image.double())
    allowed = ROOTED if recipe.style_loss == "wasserstein" else EXACT
    yield Check("closed form against autograd, float64", _error(whole.gradient, true), allowed)
    tiled = TiledEngine(doubled, exact, tile)(image.double())
    yield Check("tiled against whole, float64", _error(tiled.gradient, whole.gradient), allowed)

    device = network.mean.device
    content, style, image = content.to(device), style.to(device), image.to(device)
    objective = Objective.of(recipe, network, content, style)
    engine = WholeEngine(network, objective)
    single = engine(image).gradient
    flips = _error(single, whole.gradient)
    allowed = max(SINGLE, FLIPS * flips)
    yield Check("tiled against whole, float32", _tiled(objective, network, image, tile), allowed)
    fast = _winograd(objective, network, image)
    used = "" if fast else ": used by no layer at this size"  # where it is used, it rounds
    yield Check(f"Winograd's features against plain, float32{used}", fast, SINGLE)
    yield Check("resumed against uninterrupted, float32", _resumed(engine, image), 0.0)


def _by_autograd(objective: Objective, network: FeatureNetwork, image: Tensor) -> Tensor:
    """Gradient by autograd of the loss, written out from its formulas."""
    image = image.clone().requires_grad_()
    loss = image.new_zeros(())
    recipe = objective.recipe
    for layer, features in network(image, objective.layers).items():
        content = objective.content.get(TermKey("content", layer))
        if content is not None:
            literal = content_loss(features, content.target)
            weight = recipe.content_weight * recipe.content_layers[layer]
            loss = loss + weight * literal / objective.unit(content)
        style = objective.style.get(TermKey("style", layer))
        if style is not None:
            flat = features[0].flatten(1)
            found = Moments(flat @ flat.mT, flat.sum(1))
            weight = recipe.style_weight * recipe.style_layers[layer]
            loss = loss + weight * style.loss.value(found, style.positions) / objective.unit(style)
    loss = loss + recipe.tv_weight * total_variation_loss(image) / image.numel()
    loss = loss + recipe.range_weight * out_of_range_loss(image) / image.numel()
    (gradient,) = torch.autograd.grad(loss, image)
    return gradient


def _tiled(objective: Objective, network: FeatureNetwork, image: Tensor, tile: int) -> float:
    """Tiled against whole with plain convolutions; Winograd's rounding differs at the seams."""
    plain = network.view(winograd=False)
    whole = WholeEngine(plain, objective)(image).gradient
    return _error(TiledEngine(plain, objective, tile)(image).gradient, whole)


@torch.no_grad()
def _winograd(objective: Objective, network: FeatureNetwork, image: Tensor) -> float:
    plain = network(image, objective.layers)
    fast = ForwardPass(network, image, objective.layers, keep=False).features
    return max(_error(fast[layer], plain[layer]) for layer in plain)


def _resumed(engine: WholeEngine, image: Tensor) -> float:
    level = Level(1, 1, (image.shape[2], image.shape[3]), 4, 0.0, 1.0)
    straight = list(descend(LevelState.start(image), engine, LBFGS(), level))
    position, again = straight[1].state, LBFGS()
    assert position.optimizer is not None
    again.restore(position.optimizer)
    resumed = list(descend(position.level_state, engine, again, level))
    return _error(resumed[-1].image, straight[-1].image)


def _error(got: Tensor, right: Tensor) -> float:
    got, right = got.detach().cpu().double(), right.detach().cpu().double()
    return float((got - right).norm() / right.norm())
