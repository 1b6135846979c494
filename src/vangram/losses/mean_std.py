"""Style: the mean and the standard deviation of each channel, beside the Gram matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from vangram.losses.gaussian import blur_for, gaussian, moments_grad_of
from vangram.losses.gram import GramStyle
from vangram.losses.moments import Moments, MomentsGrad

SHARE = 0.5
"""Of `GramMomentsStyle` that is the Gram term; means and deviations have the rest."""


class ChannelStyle:
    """Means and standard deviations of channels: ‖μ − μ'‖² + ‖σ − σ'‖².

    What instance normalisation matches (Huang and Belongie 2017), squared and summed over channels:
    the Wasserstein distance of each channel by itself. σ² has `BLUR` added.

    Args:
        target: the painting's moments per position.
    """

    needs_sums = True

    def __init__(self, target: Moments) -> None:
        self.blur = blur_for(target)
        self.target_mean, self.target_deviation = self._of(target, 1)

    def value(self, image: Moments, positions: float) -> Tensor:
        """E, float64; see `StyleLoss`."""
        mean, deviation = self._of(image, positions)
        return self._distance(mean, deviation)

    def value_and_grad(
        self, image: Moments, positions: float, weight: float
    ) -> tuple[Tensor, MomentsGrad]:
        """E, and the slope of E times a weight; see `StyleLoss`.

        ∂E/∂μ = 2 (μ − μ') and ∂E/∂σ² = 1 − σ' / σ.
        """
        mean, deviation = self._of(image, positions)
        slope = moments_grad_of(
            weight * 2 * (mean - self.target_mean),
            torch.diag(weight * (1 - self.target_deviation / deviation)),
            mean,
            positions,
            image.products.dtype,
        )
        return self._distance(mean, deviation), slope

    def _of(self, moments: Moments, positions: float) -> tuple[Tensor, Tensor]:
        mean, covariance = gaussian(moments, positions)
        # Below zero it is by rounding alone.
        return mean, (covariance.diagonal().clamp_min(0) + self.blur).sqrt()

    def _distance(self, mean: Tensor, deviation: Tensor) -> Tensor:
        means = (mean - self.target_mean).square().sum()
        return means + (deviation - self.target_deviation).square().sum()


class GramMomentsStyle:
    """Gram matrices, means and deviations: E = ½ E_Gram + ½ κ (‖μ − μ'‖² + ‖σ − σ'‖²).

    A Gram matrix G / M = Σ + μ μᵀ leaves open how much of it is mean and how much deviation, so a
    picture's contrast may drift while it fits (Risser et al. 2017, who add histograms; mean and
    deviation are the part of them that sums over positions tell). κ is what E_Gram weighs at
    features of zero over what means and deviations weigh there: either half has the same say, and
    the whole weighs there what E_Gram does, so that a weight means about the same in either units.

    Args:
        target: the painting's moments per position.
    """

    needs_sums = True

    def __init__(self, target: Moments) -> None:
        self.gram, self.channels = GramStyle(target), ChannelStyle(target)
        weighs = float(self.channels.value(target.zero, 1)) or 1.0
        self.scale = float(self.gram.value(target.zero, 1)) / weighs

    def value(self, image: Moments, positions: float) -> Tensor:
        """E, float64; see `StyleLoss`."""
        gram = self.gram.value(image, positions)
        return SHARE * gram + (1 - SHARE) * self.scale * self.channels.value(image, positions)

    def value_and_grad(
        self, image: Moments, positions: float, weight: float
    ) -> tuple[Tensor, MomentsGrad]:
        """E, and the slope of E times a weight; see `StyleLoss`."""
        share = (1 - SHARE) * self.scale
        gram, steep = self.gram.value_and_grad(image, positions, SHARE * weight)
        channels, other = self.channels.value_and_grad(image, positions, share * weight)
        slope = MomentsGrad(steep.products + other.products, other.sums)
        return SHARE * gram + share * channels, slope
