"""Style loss on Gram matrices, the correlations between feature channels."""

from __future__ import annotations

import torch
from torch import Tensor

from vangram.errors import ShapeError
from vangram.losses.moments import Moments, MomentsGrad, feature_moments, feature_moments_grad


def gram_matrix(features: Tensor) -> Tensor:
    """Gram matrix of a layer's features: G = F Fᵀ, summed over positions.

    Gatys et al. 2016, equation 3. Gram matrices of tiles add up to that of the whole image. Divided
    by the number of positions it does not depend on the image's size.

    Args:
        features: (C, h, w) activations.

    Returns:
        (C, C), symmetric, dtype and device of `features`.

    Raises:
        ShapeError: `features` does not have three dimensions.
    """
    return feature_moments(features, sums=False).products


def gram_loss(residual: Tensor, positions: float) -> Tensor:
    """One layer's style term: E = Σ (G − A)² / (4 C² M²).

    Gatys et al. 2016, equation 4 (there N is C).

    Args:
        residual: (C, C), G − A, both summed over the whole image's positions.
        positions: M = H * W of the whole layer.

    Returns:
        A float64 scalar.

    Raises:
        ShapeError: `residual` is not square.
    """
    channels = _channels(residual)
    return residual.square().sum(dtype=torch.float64) / float(4 * channels**2 * positions**2)


def gram_loss_grad(features: Tensor, residual: Tensor, positions: float) -> Tensor:
    """Gradient of `gram_loss` with respect to features: (G − A) F / (C² M²).

    Gatys et al. 2016, equation 6. The ReLU's mask is left to the backward pass below the layer. The
    features may be a tile's; only the residual depends on the rest of the image.

    Args:
        features: (C, h, w) activations.
        residual: (C, C), symmetric: Gram matrix minus target, both summed over the whole image.
        positions: M = H * W of the whole layer, not of the tile.

    Returns:
        (C, h, w), channels last in memory.

    Raises:
        ShapeError: the channel counts differ, or `residual` is not square.
    """
    return feature_moments_grad(features, gram_moments_grad(residual, positions))


def gram_moments_grad(residual: Tensor, positions: float) -> MomentsGrad:
    """Gradient of `gram_loss` with respect to moments: (G − A) / (C² M²); args as there."""
    return MomentsGrad(residual / float(_channels(residual) ** 2 * positions**2))


class GramStyle:
    """The paper's style loss of a layer, `gram_loss`.

    Args:
        target: the style image's moments per position.
    """

    needs_sums = False

    def __init__(self, target: Moments) -> None:
        self.target = target

    def value(self, image: Moments, positions: float) -> Tensor:
        """E, float64; see `StyleLoss`."""
        return gram_loss(self._residual(image, positions), positions)

    def value_and_grad(
        self, image: Moments, positions: float, weight: float
    ) -> tuple[Tensor, MomentsGrad]:
        """E, and the gradient of E times a weight; see `StyleLoss`."""
        residual = self._residual(image, positions)
        return gram_loss(residual, positions), gram_moments_grad(residual * weight, positions)

    def _residual(self, image: Moments, positions: float) -> Tensor:
        return image.products - self.target.products * positions


def _channels(residual: Tensor) -> int:
    if residual.dim() != 2 or residual.shape[0] != residual.shape[1]:
        raise ShapeError(f"style: a residual needs (C, C), not {tuple(residual.shape)}")
    return residual.shape[0]
