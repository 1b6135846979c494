"""Style loss: the Wasserstein distance between normal distributions of features."""

from __future__ import annotations

import torch
from torch import Tensor

from vangram.losses.gaussian import blur_for, mean_and_covariance, moments_grad
from vangram.losses.moments import Moments, MomentsGrad


def _eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, and eigenvectors in columns; NaN for a matrix with NaN or infinity.

    torch would raise, and the optimiser recognises a failed step by a loss that is not finite.
    """
    if not bool(matrix.isfinite().all()):
        return matrix.diagonal() * torch.nan, matrix * torch.nan
    values, vectors = torch.linalg.eigh(matrix)
    return values, vectors


class WassersteinStyle:
    """Squared 2-Wasserstein distance between normal distributions N(μ, Σ) and N(μ', Σ').

    E = ‖μ − μ'‖² + tr (Σ + Σ' − 2 (Σ'^½ Σ Σ'^½)^½)     (Dowson and Landau 1982; Olkin and
    Pukelsheim 1982): the least mean square change that gives features the target's mean and
    covariance. Both covariances have `BLUR` I added. Computed in float64, O(C³) for any image size.

    Args:
        target: the style image's moments per position.
    """

    needs_sums = True

    def __init__(self, target: Moments) -> None:
        self.blur = blur_for(target)
        self.target_mean, covariance = mean_and_covariance(target, 1)
        values, vectors = _eigh(covariance)
        values = values.clamp_min(0) + self.blur  # negative by rounding only
        self.root = (vectors * values.sqrt()) @ vectors.mT
        self.trace = values.sum()

    def value(self, image: Moments, positions: float) -> Tensor:
        """E, float64; see `StyleLoss`."""
        mean, covariance = self._blurred(image, positions)
        values, _ = _eigh(self._cross(covariance))
        return self._distance(mean, covariance, self._clamped(values))

    def value_and_grad(
        self, image: Moments, positions: float, weight: float
    ) -> tuple[Tensor, MomentsGrad]:
        """E, and the gradient of E times a weight; see `StyleLoss`.

        ∂E/∂μ = 2 (μ − μ') and ∂E/∂Σ = I − T, where T = Σ'^½ (Σ'^½ Σ Σ'^½)^-½ Σ'^½ is the optimal
        transport map of features, x ↦ μ' + T (x − μ).
        """
        mean, covariance = self._blurred(image, positions)
        values, vectors = _eigh(self._cross(covariance))
        values = self._clamped(values)
        half = self.root @ (vectors * values.pow(-0.25))
        transport = half @ half.mT
        grad = moments_grad(
            weight * 2 * (mean - self.target_mean),
            weight * (torch.eye(len(mean)).to(transport) - transport),
            mean,
            positions,
            image.products.dtype,
        )
        return self._distance(mean, covariance, values), grad

    def _blurred(self, image: Moments, positions: float) -> tuple[Tensor, Tensor]:
        mean, covariance = mean_and_covariance(image, positions)
        return mean, covariance + torch.eye(len(mean)).to(covariance) * self.blur

    def _cross(self, covariance: Tensor) -> Tensor:
        """Σ'^½ Σ Σ'^½, symmetric."""
        product: Tensor = self.root @ covariance @ self.root
        return 0.5 * product + 0.5 * product.mT

    def _clamped(self, values: Tensor) -> Tensor:
        """Eigenvalues, at least blur²: both covariances are at least blur I, less is rounding."""
        return values.clamp_min(self.blur**2)

    def _distance(self, mean: Tensor, covariance: Tensor, values: Tensor) -> Tensor:
        means = (mean - self.target_mean).square().sum()
        distance: Tensor = means + covariance.trace() + self.trace - 2 * values.sqrt().sum()
        return distance
