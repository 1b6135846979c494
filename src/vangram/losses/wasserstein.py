"""Style: the Wasserstein distance between features as normal distributions."""

from __future__ import annotations

import torch
from torch import Tensor

from vangram.losses.gaussian import blur_for, gaussian, moments_grad_of
from vangram.losses.moments import Moments, MomentsGrad


def _eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, and eigenvectors in columns; where torch's would raise, all are no numbers.

    A step that goes wrong is known by a loss that is not finite, and taken back.
    """
    if not bool(matrix.isfinite().all()):
        return matrix.diagonal() * torch.nan, matrix * torch.nan
    values, vectors = torch.linalg.eigh(matrix)
    return values, vectors


class WassersteinStyle:
    """Squared 2-Wasserstein distance between normal distributions N(μ, Σ) and N(μ', Σ').

    E = ‖μ − μ'‖² + tr (Σ + Σ' − 2 (Σ'^½ Σ Σ'^½)^½)     (Dowson and Landau 1982; Olkin and
    Pukelsheim 1982): how far features must travel, in the mean square, until they have the target's
    mean and covariance. Both covariances have `BLUR` I added. In float64, C³ work whatever the
    picture's size.

    Args:
        target: the painting's moments per position.
    """

    needs_sums = True

    def __init__(self, target: Moments) -> None:
        self.blur = blur_for(target)
        self.target_mean, covariance = gaussian(target, 1)
        values, vectors = _eigh(covariance)
        values = values.clamp_min(0) + self.blur  # below zero by rounding alone
        self.root = (vectors * values.sqrt()) @ vectors.mT
        self.trace = values.sum()

    def value(self, image: Moments, positions: float) -> Tensor:
        """E, float64; see `StyleLoss`."""
        mean, covariance = self._of(image, positions)
        values, _ = _eigh(self._between(covariance))
        return self._distance(mean, covariance, self._trusted(values))

    def value_and_grad(
        self, image: Moments, positions: float, weight: float
    ) -> tuple[Tensor, MomentsGrad]:
        """E, and the slope of E times a weight; see `StyleLoss`.

        ∂E/∂μ = 2 (μ − μ') and ∂E/∂Σ = I − T, where T = Σ'^½ (Σ'^½ Σ Σ'^½)^-½ Σ'^½ takes features to
        where they are to go: x ↦ μ' + T (x − μ).
        """
        mean, covariance = self._of(image, positions)
        values, vectors = _eigh(self._between(covariance))
        values = self._trusted(values)
        half = self.root @ (vectors * values.pow(-0.25))
        transport = half @ half.mT
        slope = moments_grad_of(
            weight * 2 * (mean - self.target_mean),
            weight * (torch.eye(len(mean)).to(transport) - transport),
            mean,
            positions,
            image.products.dtype,
        )
        return self._distance(mean, covariance, values), slope

    def _of(self, image: Moments, positions: float) -> tuple[Tensor, Tensor]:
        mean, covariance = gaussian(image, positions)
        return mean, covariance + torch.eye(len(mean)).to(covariance) * self.blur

    def _between(self, covariance: Tensor) -> Tensor:
        product: Tensor = self.root @ covariance @ self.root
        return 0.5 * product + 0.5 * product.mT

    def _trusted(self, values: Tensor) -> Tensor:
        """Eigenvalues; both covariances are at least the blur, so less than its square is error."""
        return values.clamp_min(self.blur**2)

    def _distance(self, mean: Tensor, covariance: Tensor, values: Tensor) -> Tensor:
        means = (mean - self.target_mean).square().sum()
        distance: Tensor = means + covariance.trace() + self.trace - 2 * values.sqrt().sum()
        return distance
