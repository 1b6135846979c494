"""Features as normal distributions: what moments say of them, and how much of it can be trusted."""

from __future__ import annotations

import torch
from torch import Tensor

from vangram.errors import ShapeError
from vangram.losses.moments import Moments, MomentsGrad

BLUR = 1e-3
"""Variance that is added to every channel, in units of the target's mean square.

A square root is infinitely steep at zero. Each distribution is therefore blurred by the same
independent noise: dead channels and pictures of fewer positions than channels then have a distance
and a slope like any other, and equal ones are at a distance of zero still. At most a thousandth of
what the target weighs is lost in the noise. With less of it, the rounding of sums would come
through: it is relative to the largest direction's variance, and counts where there is the least.
"""


def gaussian(moments: Moments, positions: float) -> tuple[Tensor, Tensor]:
    """Mean μ = s / M (C,) and covariance Σ = G / M − μ μᵀ (C, C) of features, in float64.

    Args:
        moments: summed over the positions; per position if they are 1.
        positions: M of the whole layer.

    Raises:
        ShapeError: there are no sums.
    """
    if moments.sums is None:
        raise ShapeError("style: a mean needs sums over positions, and there are none")
    mean = moments.sums.double() / positions
    return mean, moments.products.double() / positions - torch.outer(mean, mean)


def blur_for(target: Moments) -> float:
    """Variance that keeps roots away from zero, for a target's moments per position."""
    return BLUR * float(target.products.diagonal().mean(dtype=torch.float64)) or BLUR


def moments_grad_of(
    mean_slope: Tensor, covariance_slope: Tensor, mean: Tensor, positions: float, dtype: torch.dtype
) -> MomentsGrad:
    """The slope with respect to moments of a function of mean and covariance.

    ∂E/∂G = ∂E/∂Σ / M and ∂E/∂s = (∂E/∂μ − 2 ∂E/∂Σ μ) / M.

    Args:
        mean_slope: ∂E/∂μ, (C,).
        covariance_slope: ∂E/∂Σ, (C, C), symmetric.
        mean: μ, (C,).
        positions: M.
        dtype: of the features.
    """
    sums = (mean_slope - 2 * covariance_slope @ mean) / positions
    return MomentsGrad((2 * covariance_slope / positions).to(dtype), sums.to(dtype))
