"""Colour transfer: match mean and covariance, or replace the luminance.

Gatys, Bethge, Hertzmann and Shechtman, "Preserving Color in Neural Artistic Style Transfer" (2016).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vangram.storage.tensors import row_bands

LUMA = (0.299, 0.587, 0.114)
"""Weights of luma Y in YIQ and YCbCr, from gamma-encoded sRGB (ITU-R BT.601, 2.5.1)."""
LEVEL = 1 / 255
"""Standard deviation of rounding and noise: maps do not amplify less than this."""


@dataclass(frozen=True, eq=False)
class ColourMap:
    """The affine map x -> A x + b of each pixel's colour x."""

    matrix: Tensor
    """(3, 3), float64."""
    offset: Tensor
    """(3), float64."""

    def __call__(
        self,
        pixels: Tensor,
        *,
        into: Tensor | None = None,
    ) -> Tensor:
        """Map a picture; values outside [0, 1] are not clamped.

        Args:
            pixels: (1, 3, H, W), floating-point.
            into: tensor of the same shape to write to, may be `pixels`; None: a new one.

        Returns:
            (1, 3, H, W); dtype and device of `pixels`.
        """
        matrix, offset = self.matrix.to(pixels), self.offset.to(pixels)[:, None, None]
        out = torch.empty_like(pixels) if into is None else into
        for rows in row_bands(pixels):
            at = (..., rows, slice(None))
            out[at] = torch.einsum("ij,bjhw->bihw", matrix, pixels[at]) + offset
        return out


@dataclass(frozen=True, eq=False)
class ColourStatistics:
    """Mean and covariance of a picture's colours."""

    mean: Tensor
    """(3), float64."""
    covariance: Tensor
    """(3, 3), float64, divided by the number of pixels."""

    @classmethod
    def of(
        cls,
        pixels: Tensor,
        alpha: Tensor | None = None,
    ) -> ColourStatistics:
        """Measure a picture, each pixel weighted by its alpha.

        Args:
            pixels: (1, 3, H, W).
            alpha: (1, 1, H, W); None, or zero everywhere: equal weights.
        """
        if alpha is not None and not bool(alpha.any()):
            alpha = None
        count, first, second = 0.0, torch.zeros(3).double(), torch.zeros(3, 3).double()
        for rows in row_bands(pixels):
            colours = pixels[0, :, rows].flatten(1).double().cpu()  # (3, M)
            weights = torch.ones_like(colours[:1])
            if alpha is not None:
                weights = alpha[0, :, rows].flatten(1).double().cpu()
            count += float(weights.sum())
            first += (weights * colours).sum(dim=1)
            second += (weights * colours) @ colours.mT
        mean = first / count
        return cls(mean, second / count - mean.outer(mean))

    @property
    def luminance(self) -> tuple[float, float]:
        """Mean and standard deviation of Y."""
        luma = torch.tensor(LUMA, dtype=torch.float64)
        return float(luma @ self.mean), max(float(luma @ self.covariance @ luma), 0.0) ** 0.5


def matching_map(given: ColourStatistics, wanted: ColourStatistics) -> ColourMap:
    """The map that gives a picture the mean and covariance of another.

    A = Σ_wanted^½ Σ_given^-½ (Gatys et al. 2016b, section 3, with symmetric square roots), so that
    a picture matched to itself is unchanged. Directions of the given picture with a deviation below
    `LEVEL` are not scaled: A is Σ_wanted^½ on the other directions, plus the identity on these.

    Args:
        given: statistics of the picture to map.
        wanted: statistics to arrive at.
    """
    spread, axes = torch.linalg.eigh(given.covariance)
    known = spread > LEVEL**2
    whitening = _symmetric(torch.where(known, spread, 1.0).rsqrt() * known, axes)
    matrix = _root(wanted.covariance) @ whitening + _symmetric((~known).double(), axes)
    return ColourMap(matrix, wanted.mean - matrix @ given.mean)


def luminance_map() -> ColourMap:
    """The map to luminance Y, repeated in all three channels."""
    return ColourMap(torch.tensor([LUMA] * 3, dtype=torch.float64), torch.zeros(3).double())


def luminance_matching_map(given: ColourStatistics, wanted: ColourStatistics) -> ColourMap:
    """The map to luminance with another's mean and deviation (Gatys et al. 2016b, section 4).

    Args:
        given: statistics of the picture to map; a luminance deviation below `LEVEL` is not scaled.
        wanted: statistics to arrive at.
    """
    (mean, deviation), (wanted_mean, wanted_deviation) = given.luminance, wanted.luminance
    scale = wanted_deviation / deviation if deviation > LEVEL else 1.0
    luma = luminance_map()
    return ColourMap(scale * luma.matrix, luma.offset + wanted_mean - scale * mean)


def with_chroma(image: Tensor, photograph: Tensor) -> Tensor:
    """Combine the luminance of one picture with the chroma (I and Q of YIQ) of another.

    Colours outside sRGB are desaturated until they fit; luminance and hue are unchanged.

    Args:
        image: (1, 3, H, W) in [0, 1], gives the luminance.
        photograph: (1, 3, H, W), gives the chroma.

    Returns:
        (1, 3, H, W) in [0, 1].
    """
    luminance = luminance_map()(image).clamp_(0, 1)
    chroma = photograph - luminance_map()(photograph)
    # Largest factor of the chroma that keeps each channel in [0, 1].
    room = torch.where(chroma > 0, 1 - luminance, luminance)
    share = (room / chroma.abs().clamp_min(1e-12)).amin(dim=1, keepdim=True).clamp_(max=1)
    return (luminance + share * chroma).clamp_(0, 1)


def _root(covariance: Tensor) -> Tensor:
    """Σ^½, symmetric; eigenvalues that rounding made negative count as zero."""
    spread, axes = torch.linalg.eigh(covariance)
    return _symmetric(spread.clamp_min(0).sqrt(), axes)


def _symmetric(values: Tensor, axes: Tensor) -> Tensor:
    """The matrix with these eigenvalues (3) and eigenvectors, the columns of `axes` (3, 3)."""
    return (axes * values) @ axes.mT
