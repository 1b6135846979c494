"""The literal formulas, differentiated by plain autograd: what engines are measured against.

    content  ½ Σ (F − P)²                      Gatys et al. 2016, equation 1
    style    Σ (G − A)² / (4 C² M²)            equation 4, A scaled to the image's positions
             with style_loss "gram+moments" half of it, and half of ‖μ − μ'‖² + ‖σ − σ'‖², scaled
             to the same value for features of zero; with "wasserstein"
             ‖μ − μ'‖² + tr Σ + tr Σ' − 2 ‖Lᵀ L'‖_*, Σ = L Lᵀ, the norm a sum of singular values
    With weights w of the positions, every Σ over them is Σ w, M is Σ w, and means are over Σ w.

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
    recipe: Recipe,
    network: FeatureNetwork,
    content: Tensor,
    style: Tensor,
    image: Tensor,
    visible: Tensor | None = None,
    alpha: Tensor | None = None,
) -> Truth:
    """Evaluate the whole objective from its definition; with alpha of content and of style."""
    image = image.clone().requires_grad_()
    layers = {*recipe.content_layers, *recipe.style_layers}
    features = network(image, layers)
    with torch.no_grad():
        wanted, painted = network(content, layers), network(style, layers)
    relative = recipe.units == "relative"
    pixels = torch.ones_like(image[:, :1]) if visible is None else visible
    strides = {layer: network.topology.stride(layer) for layer in layers}
    ours = {layer: _covered(pixels, stride) for layer, stride in strides.items()}
    opaque = torch.ones_like(style[:, :1]) if alpha is None else alpha
    theirs = {layer: _covered(opaque, stride) for layer, stride in strides.items()}
    terms: dict[tuple[str, str], Tensor] = {}
    weights: dict[tuple[str, str], float] = {}
    for layer, weight in recipe.content_layers.items():
        literal = 0.5 * (ours[layer] * (features[layer] - wanted[layer]) ** 2).sum()
        at_zero = 0.5 * (ours[layer] * wanted[layer] ** 2).sum()
        terms["content", layer] = literal / at_zero if relative else literal
        weights["content", layer] = recipe.content_weight * weight
    for layer, weight in recipe.style_layers.items():
        distance, target = STYLES[recipe.style_loss], (painted[layer], theirs[layer])
        literal = distance((features[layer], ours[layer]), target)
        at_zero = distance((torch.zeros_like(features[layer]), ours[layer]), target)
        terms["style", layer] = literal / at_zero if relative else literal
        weights["style", layer] = recipe.style_weight * weight
    if recipe.tv_weight:
        terms["tv", ""] = _mean(_variation(image), pixels)
        weights["tv", ""] = recipe.tv_weight
    if recipe.range_weight:
        terms["range", ""] = _mean(torch.relu(-image) ** 2 + torch.relu(image - 1) ** 2, pixels)
        weights["range", ""] = recipe.range_weight
    loss = sum((weights[name] * term for name, term in terms.items()), image.new_zeros(()))
    (gradient,) = torch.autograd.grad(loss, image)
    return Truth(
        float(loss.detach()), {name: float(t.detach()) for name, t in terms.items()}, gradient
    )


Weighted = tuple[Tensor, Tensor]
"""Features (1, C, h, w), and the weights (h, w) of their positions."""


def _covered(weights: Tensor, stride: int) -> Tensor:
    """Mean (h, w) of the weights (1, 1, H, W) that each position covers."""
    height, width = weights.shape[2:]
    padding = (0, -width % stride, 0, -height % stride)
    padded = torch.nn.functional.pad(weights[0, 0], padding, value=torch.nan)
    rows, columns = (side // stride for side in padded.shape)
    return padded.reshape(rows, stride, columns, stride).nanmean((1, 3))


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / (values.shape[1] * weights.sum())


def _flat(weighted: Weighted) -> tuple[Tensor, Tensor]:
    """(C, M) and (M,)."""
    return weighted[0][0].flatten(1), weighted[1].flatten()


def _gram(weighted: Weighted) -> Tensor:
    flat, weights = _flat(weighted)
    return torch.einsum("ip,jp,p->ij", flat, flat, weights)


def _style(features: Weighted, painted: Weighted) -> Tensor:
    channels, positions = features[0].shape[1], features[1].sum()
    target = _gram(painted) * (positions / painted[1].sum())
    return ((_gram(features) - target) ** 2).sum() / (4 * channels**2 * positions**2)


def _gaussian(weighted: Weighted) -> tuple[Tensor, Tensor]:
    """Mean (C,) and covariance (C, C)."""
    flat, weights = _flat(weighted)
    mean = (flat * weights).sum(1) / weights.sum()
    centred = flat - mean[:, None]
    return mean, torch.einsum("ip,jp,p->ij", centred, centred, weights) / weights.sum()


def _with_moments(features: Weighted, painted: Weighted) -> Tensor:
    blur = _blur(painted)

    def channels(values: Weighted) -> tuple[Tensor, Tensor]:
        mean, covariance = _gaussian(values)
        return mean, (covariance.diagonal() + blur).sqrt()

    def distance(values: Weighted) -> Tensor:
        pairs = zip(channels(values), channels(painted), strict=True)
        nothing = values[0].new_zeros(())
        return sum((((ours - theirs) ** 2).sum() for ours, theirs in pairs), nothing)

    nothing = torch.zeros_like(features[0]), features[1]
    scale = _style(nothing, painted) / distance(nothing)
    return 0.5 * _style(features, painted) + 0.5 * scale * distance(features)


def _wasserstein(features: Weighted, painted: Weighted) -> Tensor:
    means, covariances = [], []
    for values in (features, painted):
        mean, covariance = _gaussian(values)
        means.append(mean)
        covariances.append(covariance + _blur(painted) * torch.eye(len(mean), dtype=mean.dtype))
    ours, theirs = (torch.linalg.cholesky(covariance) for covariance in covariances)
    shared = torch.linalg.svdvals(ours.mT @ theirs).sum()
    apart = (means[0] - means[1]).square().sum()
    distance: Tensor = apart + covariances[0].trace() + covariances[1].trace() - 2 * shared
    return distance


def _blur(painted: Weighted) -> float:
    """A thousandth of the painting's mean square; of nothing, a thousandth."""
    return 1e-3 * float(_gram(painted).diagonal().mean() / painted[1].sum()) or 1e-3


STYLES = {"gram": _style, "gram+moments": _with_moments, "wasserstein": _wasserstein}


def _variation(image: Tensor) -> Tensor:
    right = torch.cat([image[..., 1:], image[..., -1:]], dim=-1)
    below = torch.cat([image[..., 1:, :], image[..., -1:, :]], dim=-2)
    squares = (right - image) ** 2 + (below - image) ** 2
    return (squares + 0.01**2).sqrt() - 0.01
