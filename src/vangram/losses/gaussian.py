"""Normal distributions of features: mean and covariance from moments, and their gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from vangram.errors import ShapeError
from vangram.losses.moments import Moments, MomentsGrad

BLUR = 1e-3
"""Variance added to every channel, in units of the target's mean square.

The gradient of a square root is infinite at zero. Both distributions are therefore blurred by the
same independent noise: dead channels, and images with fewer positions than channels, then have a
finite gradient, and equal distributions still have distance zero. The blur changes a distance by at
most a thousandth of the target's mean square. A smaller blur would let rounding errors dominate
directions of little variance, since they are relative to the largest one.
"""


def mean_and_covariance(moments: Moments, positions: float) -> tuple[Tensor, Tensor]:
    """Mean μ = s / M (C,) and covariance Σ = G / M − μ μᵀ (C, C) of features, in float64.

    Args:
        moments: sums over the positions; means with `positions` 1.
        positions: M of the whole layer.

    Raises:
        ShapeError: the moments have no sums.
    """
    if moments.sums is None:
        raise ShapeError("style: a mean needs sums over positions, and there are none")
    mean = moments.sums.double() / positions
    return mean, moments.products.double() / positions - torch.outer(mean, mean)


def blur_for(target: Moments) -> float:
    """Variance of the blur for a target's moments per position."""
    return BLUR * float(target.products.diagonal().mean(dtype=torch.float64)) or BLUR


def moments_grad(
    mean_grad: Tensor, covariance_grad: Tensor, mean: Tensor, positions: float, dtype: torch.dtype
) -> MomentsGrad:
    """Gradient with respect to moments, from that with respect to mean and covariance.

    ∂E/∂G = ∂E/∂Σ / M and ∂E/∂s = (∂E/∂μ − 2 ∂E/∂Σ μ) / M.

    Args:
        mean_grad: ∂E/∂μ, (C,).
        covariance_grad: ∂E/∂Σ, (C, C), symmetric.
        mean: μ, (C,).
        positions: M.
        dtype: of the features.
    """
    sums = (mean_grad - 2 * covariance_grad @ mean) / positions
    return MomentsGrad((2 * covariance_grad / positions).to(dtype), sums.to(dtype))
