"""A multilevel preconditioner, which amplifies a gradient's low frequencies.

The loss's curvature is small for low frequencies, so that plain gradient descent converges slowly
for large shapes. Bramble, Pasciak and Xu, "Parallel Multilevel Preconditioners" (1990): add up the
gradient's restrictions to coarser and coarser grids.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vangram.kernels import conv_precision
from vangram.storage.tensors import IN_MEMORY, Storage, bands

LEVELS = 4
"""Coarser grids, each of half the resolution; a pixel of the last is 16 pixels wide."""
FIRST_WEIGHT, NEXT_WEIGHT = 4.0, 8.0
"""Weight of the first coarser grid relative to the image, and of each next grid to the one before.

RᵀR leaves a quarter of a low frequency, which a factor of 4 restores; the remaining factor of 2 per
grid makes the gain grow as 1 / frequency, to about 15. On `vgg19-lite` and on VGG-19's first blocks
the loss's curvature for luminance falls about as fast (`benchmarks/README.md`).
"""
BINOMIAL = (1 / 8, 3 / 8, 3 / 8, 1 / 8)
"""Filter of the restriction along an axis, applied at every other pixel."""
SMALLEST = 8
"""A grid with a shorter side than this, in pixels, is the last."""


def multilevel(gradient: Tensor, storage: Storage = IN_MEMORY) -> Tensor:
    """P g = g + Σ w_k (Rᵀ)ᵏ Rᵏ g, with R the restriction: symmetric and positive definite.

    Args:
        gradient: (B, C, H, W).
        storage: of the result and of intermediate grids.

    Returns:
        The same shape, dtype and device.
    """
    axis = torch.tensor(BINOMIAL, dtype=gradient.dtype, device=gradient.device)
    planes = gradient.reshape(-1, 1, *gradient.shape[-2:])
    with conv_precision(tf32=False):
        grids = _Grids(axis.outer(axis)[None, None], storage)
        return grids.with_coarser(planes, 0).view_as(gradient)


@dataclass(frozen=True)
class _Grids:
    """Transfers between grids, computed in bands of rows."""

    kernel: Tensor
    storage: Storage

    def with_coarser(self, x: Tensor, level: int) -> Tensor:
        """A grid plus the weighted, prolongated sum of all coarser ones."""
        if level == LEVELS or min(x.shape[-2:]) < SMALLEST:
            return x
        coarse = self.with_coarser(self.restricted(x), level + 1)
        return self.added(x, coarse, NEXT_WEIGHT if level else FIRST_WEIGHT)

    def restricted(self, x: Tensor) -> Tensor:
        """R x; row i depends on the rows 2i - 1 to 2i + 2 of x."""
        planes, _, height, width = x.shape
        coarse = self.storage.empty((planes, 1, height // 2, width // 2), x)
        for rows in bands(coarse):
            above = max(rows.start - 1, 0)  # one row more: the first one lacks its upper inputs
            inputs = x[..., 2 * above : 2 * rows.stop + 2, :]
            part = F.conv2d(inputs, self.kernel, stride=2, padding=1)
            coarse[..., rows, :] = part[..., rows.start - above : rows.stop - above, :]
            self.storage.release()
        return coarse

    def added(self, x: Tensor, coarse: Tensor, weight: float) -> Tensor:
        """X + weight Rᵀ coarse; row j depends on the rows j / 2 - 1 to (j + 1) / 2 of coarse."""
        summed, height = self.storage.empty(tuple(x.shape), x), x.shape[-2]
        odd = (1, x.shape[-1] % 2)
        for rows in bands(coarse):
            last = height if rows.stop == coarse.shape[-2] else 2 * rows.stop
            above = max(rows.start - 1, 0)
            inputs = coarse[..., above : rows.stop + 1, :]
            fine = F.conv_transpose2d(inputs, self.kernel, stride=2, padding=1, output_padding=odd)
            part = fine[..., 2 * (rows.start - above) : last - 2 * above, :]
            into = (..., slice(2 * rows.start, last), slice(None))
            torch.add(x[into], part, alpha=weight, out=summed[into])
            self.storage.release()
        return summed
