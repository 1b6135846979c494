"""Colours from one picture to another: by mean and covariance, or all but the luminance.

Gatys, Bethge, Hertzmann and Shechtman, "Preserving Color in Neural Artistic Style Transfer" (2016).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vangram.images.resizing import bands

LUMA = (0.299, 0.587, 0.114)
"""Y of YIQ and YCbCr, from sRGB values as they are stored (ITU-R BT.601, 2.5.1)."""
LEVEL = 1 / 255
"""A spread of less is rounding and noise, which no map should make a colour of."""


@dataclass(frozen=True, eq=False)
class ColourMap:
    """x -> A x + b for the colour x of each pixel."""

    matrix: Tensor
    """(3, 3), float64."""
    offset: Tensor
    """(3), float64."""

    def __call__(
        self,
        pixels: Tensor,
        *,
        into: Tensor | None = None,
        release: Callable[[], object] | None = None,
    ) -> Tensor:
        """Map a picture; what leaves [0, 1] is left there.

        Args:
            pixels: (1, 3, H, W), floating-point.
            into: as large, where to write it, perhaps `pixels` itself; None: a new tensor.
            release: called after each band, for tensors that live in files.

        Returns:
            (1, 3, H, W); dtype and device of `pixels`.
        """
        matrix, offset = self.matrix.to(pixels), self.offset.to(pixels)[:, None, None]
        out = torch.empty_like(pixels) if into is None else into
        for rows in bands(pixels):
            at = (..., rows, slice(None))
            out[at] = torch.einsum("ij,bjhw->bihw", matrix, pixels[at]) + offset
            if release:
                release()
        return out


@dataclass(frozen=True, eq=False)
class ColourStatistics:
    """Where a picture's colours lie, and how far apart."""

    mean: Tensor
    """(3), float64."""
    covariance: Tensor
    """(3, 3), float64, over the number of pixels."""

    @classmethod
    def of(
        cls,
        pixels: Tensor,
        alpha: Tensor | None = None,
        release: Callable[[], object] | None = None,
    ) -> ColourStatistics:
        """Of a picture, each pixel counted by its alpha.

        Args:
            pixels: (1, 3, H, W).
            alpha: (1, 1, H, W); None, or zero throughout: all pixels count alike.
            release: called after each band, for tensors that live in files.
        """
        if alpha is not None and not bool(alpha.any()):
            alpha = None
        count, first, second = 0.0, torch.zeros(3).double(), torch.zeros(3, 3).double()
        for rows in bands(pixels):
            colours = pixels[0, :, rows].flatten(1).double().cpu()  # (3, M)
            weights = torch.ones_like(colours[:1])
            if alpha is not None:
                weights = alpha[0, :, rows].flatten(1).double().cpu()
            count += float(weights.sum())
            first += (weights * colours).sum(dim=1)
            second += (weights * colours) @ colours.mT
            if release:
                release()
        mean = first / count
        return cls(mean, second / count - mean.outer(mean))

    @property
    def luminance(self) -> tuple[float, float]:
        """Mean and standard deviation of Y."""
        luma = torch.tensor(LUMA, dtype=torch.float64)
        return float(luma @ self.mean), max(float(luma @ self.covariance @ luma), 0.0) ** 0.5


def matching_map(given: ColourStatistics, wanted: ColourStatistics) -> ColourMap:
    """The map after which a picture's mean and covariance are another's.

    A = Σ_wanted^½ Σ_given^-½ (Gatys et al. 2016b, section 3, with symmetric square roots), so that
    a picture matched to itself stays as it is. Along directions in which the picture has next to no
    spread there is nothing to scale: A is Σ_wanted^½ over the others alone, and 1 along these.

    Args:
        given: of the picture to map.
        wanted: of the other.
    """
    spread, axes = torch.linalg.eigh(given.covariance)
    known = spread > LEVEL**2
    whitening = _symmetric(torch.where(known, spread, 1.0).rsqrt() * known, axes)
    matrix = _root(wanted.covariance) @ whitening + _symmetric((~known).double(), axes)
    return ColourMap(matrix, wanted.mean - matrix @ given.mean)


def luminance_map() -> ColourMap:
    """The map to a picture's luminance Y, in all three channels."""
    return ColourMap(torch.tensor([LUMA] * 3, dtype=torch.float64), torch.zeros(3).double())


def luminance_matching_map(given: ColourStatistics, wanted: ColourStatistics) -> ColourMap:
    """The map to luminance, with mean and deviation of another picture's (Gatys et al. 2016b, 4).

    Args:
        given: of the picture to map; where its luminance has next to no deviation, it keeps it.
        wanted: of the other.
    """
    (mean, deviation), (wanted_mean, wanted_deviation) = given.luminance, wanted.luminance
    scale = wanted_deviation / deviation if deviation > LEVEL else 1.0
    plain = luminance_map()
    return ColourMap(scale * plain.matrix, plain.offset + wanted_mean - scale * mean)


def with_chroma(image: Tensor, photograph: Tensor) -> Tensor:
    """A picture with the luminance of one and the chroma of another, I and Q of YIQ.

    Where no such colour can be shown, its chroma is lessened until it can; luminance and hue stay.

    Args:
        image: (1, 3, H, W), whose luminance is taken, within [0, 1].
        photograph: (1, 3, H, W), whose chroma is taken.

    Returns:
        (1, 3, H, W) in [0, 1].
    """
    luminance = luminance_map()(image).clamp_(0, 1)
    chroma = photograph - luminance_map()(photograph)
    # How often the chroma fits between the luminance and black or white, channel by channel.
    room = torch.where(chroma > 0, 1 - luminance, luminance)
    share = (room / chroma.abs().clamp_min(1e-12)).amin(dim=1, keepdim=True).clamp_(max=1)
    return (luminance + share * chroma).clamp_(0, 1)


def _root(covariance: Tensor) -> Tensor:
    """Σ^½, symmetric; what rounding has made negative is zero."""
    spread, axes = torch.linalg.eigh(covariance)
    return _symmetric(spread.clamp_min(0).sqrt(), axes)


def _symmetric(values: Tensor, axes: Tensor) -> Tensor:
    """The matrix with these eigenvalues (3) and eigenvectors (3, 3), one a column."""
    return (axes * values) @ axes.mT
