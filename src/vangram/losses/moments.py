"""Moments of features: the sums over positions that every style loss is a function of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vangram.errors import ShapeError
from vangram.kernels import channel_products, mix_channels


@dataclass(frozen=True)
class Moments:
    """First and second moments of a layer's features F: sums over positions, or means.

    Sums of tiles add up to those of the whole image.
    """

    products: Tensor
    """G = F Fᵀ, (C, C), symmetric."""
    sums: Tensor | None = None
    """s = Σ F, (C,); None where the loss does not need them."""

    def __add__(self, other: Moments) -> Moments:
        """Moments of two parts of an image together."""
        if self.sums is None or other.sums is None:
            return Moments(self.products + other.products)
        return Moments(self.products + other.products, self.sums + other.sums)

    def to(self, dtype: torch.dtype) -> Moments:
        """Moments in another precision."""
        return Moments(self.products.to(dtype), None if self.sums is None else self.sums.to(dtype))

    def __mul__(self, share: float) -> Moments:
        """Moments scaled by a factor."""
        sums = None if self.sums is None else self.sums * share
        return Moments(self.products * share, sums)

    def __truediv__(self, positions: float) -> Moments:
        """Moments per position."""
        sums = None if self.sums is None else self.sums / positions
        return Moments(self.products / positions, sums)

    @property
    def zero(self) -> Moments:
        """Moments of features that are zero everywhere."""
        sums = None if self.sums is None else torch.zeros_like(self.sums)
        return Moments(torch.zeros_like(self.products), sums)


@dataclass(frozen=True)
class MomentsGrad:
    """Gradient of a loss with respect to a layer's moments (G, s)."""

    products: Tensor
    """∂E/∂G + (∂E/∂G)ᵀ, (C, C), symmetric."""
    sums: Tensor | None = None
    """∂E/∂s, (C,); None where the loss does not depend on the sums."""


def feature_moments(
    features: Tensor, *, sums: bool, weights: Tensor | None = None, rows: int | None = None
) -> Moments:
    """Moments of a layer's features: G = F Fᵀ, and s = Σ F if `sums`.

    With weights w of the positions, G = Σ w F Fᵀ and s = Σ w F: guided Gram matrices (Gatys et al.
    2017, equation 4, where w is the square of the guidance channel).

    Args:
        features: (C, h, w) activations.
        sums: compute s.
        weights: (h, w), non-negative; None: all 1.
        rows: of a band, whose sums are added to those of others in float64; None: one sum.

    Returns:
        (C, C) and (C,), dtype and device of `features`; of bands in float64.

    Raises:
        ShapeError: `features` does not have three dimensions.
    """
    _channels(features)
    if weights is None:
        return Moments(*channel_products(features, features, sums=sums, rows=rows))
    products, found = channel_products(features * weights, features, sums=sums, rows=rows)
    # (w f) g and (w g) f round differently; one half for both, as ranks send one.
    return Moments(products.triu() + products.triu(1).mT, found)


def feature_moments_grad(
    features: Tensor, grad: MomentsGrad, weights: Tensor | None = None
) -> Tensor:
    """Gradient with respect to features, from that with respect to their moments.

    (∂E/∂G + (∂E/∂G)ᵀ) F + ∂E/∂s, the latter at every position. The features may be a tile's; only
    `grad` depends on the rest of the image.

    Args:
        features: (C, h, w) activations.
        grad: of the whole image; dtype and device of `features`.
        weights: as in `feature_moments`; scale the gradient position by position.

    Returns:
        (C, h, w), channels last in memory.

    Raises:
        ShapeError: the channel counts differ.
    """
    channels = _channels(features)
    if channels != len(grad.products):
        raise ShapeError(
            f"style: {channels} channels of features, {len(grad.products)} of residual"
        )
    gradient = mix_channels(grad.products, features, grad.sums)
    return gradient if weights is None else gradient.mul_(weights)


def _channels(features: Tensor) -> int:
    if features.dim() != 3:
        raise ShapeError(f"style: features need (C, h, w), not {tuple(features.shape)}")
    return features.shape[0]
