"""Histogram matching, channel by channel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vangram.storage.tensors import row_bands

BINS = 4096
"""Bins per channel between its least and largest value: at least 16 per 8-bit level."""


@dataclass(frozen=True, eq=False)
class Histogram:
    """Cumulative histograms of a picture's three channels."""

    least: Tensor
    """(3, 1), float64: lower edge of the first bin."""
    width: Tensor
    """(3, 1), float64: width of a bin; zero for a constant channel."""
    shares: Tensor
    """(3, BINS + 1), float64: share of the pixels below each edge, from 0 to 1."""

    @classmethod
    def of(
        cls,
        pixels: Tensor,
        alpha: Tensor | None = None,
    ) -> Histogram:
        """Measure a picture, each pixel weighted by its alpha.

        Args:
            pixels: (1, 3, H, W).
            alpha: (1, 1, H, W); None, or zero everywhere: equal weights.
        """
        if alpha is not None and not bool(alpha.any()):
            alpha = None
        least, largest = _range(pixels, alpha)
        counts = torch.zeros(3, BINS).to(least)
        found = cls(least, (largest - least) / BINS, counts)
        for rows in row_bands(pixels):
            weights = None if alpha is None else alpha[0, 0, rows].flatten().to(counts)
            bins, _ = found._places(pixels[0, :, rows].flatten(1))
            for channel in range(3):
                counts[channel] += torch.bincount(bins[channel], weights, BINS)
        shares = torch.nn.functional.pad(counts.cumsum(dim=1), (1, 0))
        return cls(found.least, found.width, shares / shares[:, -1:])

    def share_below(self, values: Tensor) -> Tensor:
        """Share of the pixels below each value, (3, M) both; linear within a bin."""
        bins, within = self._places(values)
        below, above = self.shares.gather(1, bins), self.shares.gather(1, bins + 1)
        return below + within * (above - below)

    def quantile(self, shares: Tensor) -> Tensor:
        """Inverse of `share_below`, (3, M) both; the largest solution in empty bins."""
        bins = (torch.searchsorted(self.shares, shares, right=True) - 1).clamp_(0, BINS - 1)
        below, above = self.shares.gather(1, bins), self.shares.gather(1, bins + 1)
        within = ((shares - below) / (above - below).clamp_min(1e-300)).clamp_(0, 1)
        return self.least + self.width * (bins + within)

    def _places(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Bin of each value and position in it, 0 to 1; 0.5 where bins have no width."""
        places = (values.double() - self.least) / torch.where(self.width > 0, self.width, 1.0)
        places = torch.where(self.width > 0, places, 0.5).clamp_(0, BINS)
        bins = places.long().clamp_(max=BINS - 1)
        return bins, places - bins


def _range(pixels: Tensor, alpha: Tensor | None) -> tuple[Tensor, Tensor]:
    """Least and largest value of each channel where alpha > 0, (3, 1) float64 each."""
    least, largest = [], []
    for rows in row_bands(pixels):
        band = pixels[0, :, rows].flatten(1)
        if alpha is not None:
            band = band[:, alpha[0, 0, rows].flatten() > 0]
        if band.numel():
            least.append(band.amin(dim=1, keepdim=True))
            largest.append(band.amax(dim=1, keepdim=True))
    return torch.stack(least).amin(dim=0).double(), torch.stack(largest).amax(dim=0).double()


def match_histogram(
    pixels: Tensor,
    given: Histogram,
    wanted: Histogram,
    *,
    into: Tensor | None = None,
) -> Tensor:
    """Map each value to the same quantile of another histogram.

    The map is monotonic: equal values stay equal, so flat areas get no grain.

    Args:
        pixels: (1, 3, H, W).
        given: histogram of `pixels`.
        wanted: histogram to arrive at.
        into: tensor of the same shape to write to, may be `pixels`; None: a new one.

    Returns:
        (1, 3, H, W), in the range of `wanted`; dtype and device of `pixels`.
    """
    out = torch.empty_like(pixels) if into is None else into
    for rows in row_bands(pixels):
        band = pixels[0, :, rows]
        matched = wanted.quantile(given.share_below(band.flatten(1)))
        out[0, :, rows] = matched.view(band.shape).to(out)
    return out
