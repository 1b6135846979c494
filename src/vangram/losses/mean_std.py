"""Style losses on each channel's mean and standard deviation, alone and with the Gram matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from vangram.losses.gaussian import blur_for, mean_and_covariance, moments_grad
from vangram.losses.gram import GramStyle
from vangram.losses.moments import Moments, MomentsGrad

SHARE = 0.5
"""Share of the Gram term in `GramMomentsStyle`; means and deviations have the rest."""


class MeanStdStyle:
    """Distance of the channels' means and standard deviations: ‖μ − μ'‖² + ‖σ − σ'‖².

    The statistics that adaptive instance normalisation matches (Huang and Belongie 2017). Summed
    over channels, it is the Wasserstein distance of each channel alone. σ² has `BLUR` added.

    Args:
        target: the style image's moments per position.
    """

    needs_sums = True

    def __init__(self, target: Moments) -> None:
        self.blur = blur_for(target)
        self.target_mean, self.target_deviation = self._mean_std(target, 1)

    def value(self, image: Moments, positions: float) -> Tensor:
        """E, float64; see `StyleLoss`."""
        mean, deviation = self._mean_std(image, positions)
        return self._distance(mean, deviation)

    def value_and_grad(
        self, image: Moments, positions: float, weight: float
    ) -> tuple[Tensor, MomentsGrad]:
        """E, and the gradient of E times a weight; see `StyleLoss`.

        ∂E/∂μ = 2 (μ − μ') and ∂E/∂σ² = 1 − σ' / σ.
        """
        mean, deviation = self._mean_std(image, positions)
        grad = moments_grad(
            weight * 2 * (mean - self.target_mean),
            torch.diag(weight * (1 - self.target_deviation / deviation)),
            mean,
            positions,
            image.products.dtype,
        )
        return self._distance(mean, deviation), grad

    def _mean_std(self, moments: Moments, positions: float) -> tuple[Tensor, Tensor]:
        mean, covariance = mean_and_covariance(moments, positions)
        # A variance is negative by rounding only.
        return mean, (covariance.diagonal().clamp_min(0) + self.blur).sqrt()

    def _distance(self, mean: Tensor, deviation: Tensor) -> Tensor:
        means = (mean - self.target_mean).square().sum()
        return means + (deviation - self.target_deviation).square().sum()


class GramMomentsStyle:
    """Gram matrices, means and deviations: E = ½ E_Gram + ½ κ (‖μ − μ'‖² + ‖σ − σ'‖²).

    A Gram matrix G / M = Σ + μ μᵀ does not determine mean and deviation separately, so an image's
    contrast may drift while its Gram matrix fits. Risser et al. 2017 add histogram losses; mean and
    deviation are the part of a histogram that sums over positions determine. κ is the ratio of
    E_Gram to the other distance at features of zero: both halves then have the same value there,
    and their sum that of E_Gram, so that a weight means about the same for either loss.

    Args:
        target: the style image's moments per position.
    """

    needs_sums = True

    def __init__(self, target: Moments) -> None:
        self.gram, self.mean_std = GramStyle(target), MeanStdStyle(target)
        normaliser = float(self.mean_std.value(target.zero, 1)) or 1.0
        self.scale = float(self.gram.value(target.zero, 1)) / normaliser

    def value(self, image: Moments, positions: float) -> Tensor:
        """E, float64; see `StyleLoss`."""
        gram = self.gram.value(image, positions)
        return SHARE * gram + (1 - SHARE) * self.scale * self.mean_std.value(image, positions)

    def value_and_grad(
        self, image: Moments, positions: float, weight: float
    ) -> tuple[Tensor, MomentsGrad]:
        """E, and the gradient of E times a weight; see `StyleLoss`."""
        share = (1 - SHARE) * self.scale
        gram, gram_grad = self.gram.value_and_grad(image, positions, SHARE * weight)
        mean_std, other = self.mean_std.value_and_grad(image, positions, share * weight)
        grad = MomentsGrad(gram_grad.products + other.products, other.sums)
        return SHARE * gram + share * mean_std, grad
