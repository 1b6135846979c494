"""The literal formulas, differentiated by plain autograd: what engines are measured against.

    content  ½ Σ (F − P)²                      Gatys et al. 2016, equation 1
    style    Σ (G − A)² / (4 C² M²)            equation 4, A scaled to the image's positions
    tv       mean of √(dx² + dy² + ε²) − ε     not part of the paper
    range    mean of (x − clip(x, 0, 1))²      likewise

Nothing here calls the package's losses, its objective or its engines.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vangram.networks import FeatureNetwork
from vangram.recipe import Recipe


@dataclass(frozen=True)
class Truth:
    """The loss at an image, its unweighted terms by kind and layer, and its gradient."""

    loss: float
    terms: dict[tuple[str, str], float]
    gradient: Tensor


def truth(
    recipe: Recipe, network: FeatureNetwork, content: Tensor, style: Tensor, image: Tensor
) -> Truth:
    """Evaluate the whole objective from its definition."""
    image = image.clone().requires_grad_()
    layers = {*recipe.content_layers, *recipe.style_layers}
    features = network(image, layers)
    with torch.no_grad():
        wanted, painted = network(content, layers), network(style, layers)
    relative = recipe.units == "relative"
    terms: dict[tuple[str, str], Tensor] = {}
    weights: dict[tuple[str, str], float] = {}
    for layer, weight in recipe.content_layers.items():
        literal = 0.5 * ((features[layer] - wanted[layer]) ** 2).sum()
        at_zero = 0.5 * (wanted[layer] ** 2).sum()
        terms["content", layer] = literal / at_zero if relative else literal
        weights["content", layer] = recipe.content_weight * weight
    for layer, weight in recipe.style_layers.items():
        positions = features[layer][0, 0].numel()
        target = _gram(painted[layer]) * (positions / painted[layer][0, 0].numel())
        literal = _style(_gram(features[layer]), target, positions)
        at_zero = _style(torch.zeros_like(target), target, positions)
        terms["style", layer] = literal / at_zero if relative else literal
        weights["style", layer] = recipe.style_weight * weight
    if recipe.tv_weight:
        terms["tv", ""] = _variation(image)
        weights["tv", ""] = recipe.tv_weight
    if recipe.range_weight:
        terms["range", ""] = (torch.relu(-image) ** 2 + torch.relu(image - 1) ** 2).mean()
        weights["range", ""] = recipe.range_weight
    loss = sum((weights[name] * term for name, term in terms.items()), image.new_zeros(()))
    (gradient,) = torch.autograd.grad(loss, image)
    return Truth(
        float(loss.detach()), {name: float(t.detach()) for name, t in terms.items()}, gradient
    )


def _gram(features: Tensor) -> Tensor:
    return torch.einsum("bihw,bjhw->ij", features, features)


def _style(gram: Tensor, target: Tensor, positions: int) -> Tensor:
    channels = gram.shape[0]
    return ((gram - target) ** 2).sum() / (4 * channels**2 * positions**2)


def _variation(image: Tensor) -> Tensor:
    right = torch.cat([image[..., 1:], image[..., -1:]], dim=-1)
    below = torch.cat([image[..., 1:, :], image[..., -1:, :]], dim=-2)
    squares = (right - image) ** 2 + (below - image) ** 2
    return ((squares + 0.01**2).sqrt() - 0.01).mean()
