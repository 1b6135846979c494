"""A multilevel preconditioner: what a gradient says of large forms counts for more.

A change of the picture spread over many pixels changes the loss little for each of them, so that
plain descent takes long for large forms. Bramble, Pasciak and Xu, "Parallel Multilevel
Preconditioners" (1990): add up what is left of the gradient on coarser and coarser grids.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vangram.kernels import conv_precision
from vangram.storage.tensors import IN_MEMORY, Storage, bands

LEVELS = 4
"""Grids, each half as fine as the one above it; a pixel of the last is 16 wide."""
FIRST, GAIN = 4.0, 8.0
"""Weight of the first coarser grid, and of each next one beside the one above it.

RᵀR leaves a quarter of a large form, for which 4 makes up; the other 2 of each further grid let the
gain grow as 1 over the frequency, to about 15. On `vgg19-lite` and on VGG-19's first blocks the
loss's curvature for luminance falls about so towards large forms (`benchmarks/README.md`).
"""
BINOMIAL = (1 / 8, 3 / 8, 3 / 8, 1 / 8)
"""Restriction along an axis, to every other pixel."""
SMALLEST = 8
"""Pixels of a side that is halved no more."""


def multilevel(gradient: Tensor, storage: Storage = IN_MEMORY) -> Tensor:
    """P g = g + Σ w_k (Rᵀ)ᵏ Rᵏ g, with R the restriction: symmetric and positive definite.

    Args:
        gradient: (B, C, H, W).
        storage: where the result shall live, and what is calculated on the way.

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
    """From grid to grid, some rows of the coarser one at a time."""

    kernel: Tensor
    storage: Storage

    def with_coarser(self, x: Tensor, level: int) -> Tensor:
        """What there is at a level, with what coarser grids add to it."""
        if level == LEVELS or min(x.shape[-2:]) < SMALLEST:
            return x
        coarse = self.with_coarser(self.restricted(x), level + 1)
        return self.added(x, coarse, GAIN if level else FIRST)

    def restricted(self, x: Tensor) -> Tensor:
        """The restriction R x: at row i of x's rows 2i - 1 to 2i + 2."""
        planes, _, height, width = x.shape
        coarse = self.storage.empty((planes, 1, height // 2, width // 2), x)
        for rows in bands(coarse):
            above = max(rows.start - 1, 0)  # a row more, since the first one misses what it sees
            seen = x[..., 2 * above : 2 * rows.stop + 2, :]
            found = F.conv2d(seen, self.kernel, stride=2, padding=1)
            coarse[..., rows, :] = found[..., rows.start - above : rows.stop - above, :]
            self.storage.release()
        return coarse

    def added(self, x: Tensor, coarse: Tensor, weight: float) -> Tensor:
        """A level x + weight Rᵀ coarse: at row j of coarse's rows j / 2 - 1 to (j + 1) / 2."""
        summed, height = self.storage.empty(tuple(x.shape), x), x.shape[-2]
        odd = (1, x.shape[-1] % 2)
        for rows in bands(coarse):
            last = height if rows.stop == coarse.shape[-2] else 2 * rows.stop
            above = max(rows.start - 1, 0)
            seen = coarse[..., above : rows.stop + 1, :]
            back = F.conv_transpose2d(seen, self.kernel, stride=2, padding=1, output_padding=odd)
            part = back[..., 2 * (rows.start - above) : last - 2 * above, :]
            into = (..., slice(2 * rows.start, last), slice(None))
            torch.add(x[into], part, alpha=weight, out=summed[into])
            self.storage.release()
        return summed
