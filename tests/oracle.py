"""The literal formulas, differentiated by plain autograd: what engines are measured against.

    content  ½ Σ (F − P)²                      Gatys et al. 2016, equation 1
    style    Σ (G − A)² / (4 C² M²)            equation 4, A scaled to the image's positions
             with style_loss "gram+moments" half of it, and half of ‖μ − μ'‖² + ‖σ − σ'‖², scaled
             to the same value for features of zero; with "wasserstein"
             ‖μ − μ'‖² + tr Σ + tr Σ' − 2 ‖Lᵀ L'‖_*, Σ = L Lᵀ, the norm a sum of singular values
    tv       mean of √(dx² + dy² + ε²) − ε     not part of the paper
    range    mean of (x − clip(x, 0, 1))²      likewise

Nothing here calls the package's losses, its objective or its engines.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vangram.networks import FeatureNetwork
from vangram.settings.recipe import Recipe


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
        distance = STYLES[recipe.style_loss]
        literal = distance(features[layer], painted[layer])
        at_zero = distance(torch.zeros_like(features[layer]), painted[layer])
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


def _style(features: Tensor, painted: Tensor) -> Tensor:
    channels, positions = features.shape[1], features[0, 0].numel()
    target = _gram(painted) * (positions / painted[0, 0].numel())
    return ((_gram(features) - target) ** 2).sum() / (4 * channels**2 * positions**2)


def _with_moments(features: Tensor, painted: Tensor) -> Tensor:
    blur = _blur(painted)

    def channels(values: Tensor) -> tuple[Tensor, Tensor]:
        flat = values[0].flatten(1)
        return flat.mean(1), (flat.var(1, correction=0) + blur).sqrt()

    def distance(values: Tensor) -> Tensor:
        pairs = zip(channels(values), channels(painted), strict=True)
        return sum((((ours - theirs) ** 2).sum() for ours, theirs in pairs), values.new_zeros(()))

    nothing = torch.zeros_like(features)
    scale = _style(nothing, painted) / distance(nothing)
    return 0.5 * _style(features, painted) + 0.5 * scale * distance(features)


def _wasserstein(features: Tensor, painted: Tensor) -> Tensor:
    means, covariances = [], []
    for values in (features[0].flatten(1), painted[0].flatten(1)):
        blur = _blur(painted) * torch.eye(len(values), dtype=values.dtype)
        means.append(values.mean(1))
        covariances.append(torch.cov(values, correction=0) + blur)
    ours, theirs = (torch.linalg.cholesky(covariance) for covariance in covariances)
    shared = torch.linalg.svdvals(ours.mT @ theirs).sum()
    apart = (means[0] - means[1]).square().sum()
    distance: Tensor = apart + covariances[0].trace() + covariances[1].trace() - 2 * shared
    return distance


def _blur(painted: Tensor) -> float:
    """A thousandth of the painting's mean square; of nothing, a thousandth."""
    return 1e-3 * float(painted.square().mean()) or 1e-3


STYLES = {"gram": _style, "gram+moments": _with_moments, "wasserstein": _wasserstein}


def _variation(image: Tensor) -> Tensor:
    right = torch.cat([image[..., 1:], image[..., -1:]], dim=-1)
    below = torch.cat([image[..., 1:, :], image[..., -1:, :]], dim=-2)
    squares = (right - image) ** 2 + (below - image) ** 2
    return ((squares + 0.01**2).sqrt() - 0.01).mean()
