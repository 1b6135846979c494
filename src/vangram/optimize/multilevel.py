"""A multilevel preconditioner: what a gradient says of large forms counts for more.

A change of the picture spread over many pixels changes the loss little for each of them, so that
plain descent takes long for large forms. Bramble, Pasciak and Xu, "Parallel Multilevel
Preconditioners" (1990): add up what is left of the gradient on coarser and coarser grids.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vangram.precision import convolving

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


def multilevel(gradient: Tensor) -> Tensor:
    """P g = g + Σ w_k (Rᵀ)ᵏ Rᵏ g, with R the restriction: symmetric and positive definite.

    Args:
        gradient: (B, C, H, W).

    Returns:
        The same shape, dtype and device.
    """
    axis = torch.tensor(BINOMIAL, dtype=gradient.dtype, device=gradient.device)
    planes = gradient.reshape(-1, 1, *gradient.shape[-2:])
    with convolving(tf32=False):
        return _with_coarser(planes, axis.outer(axis)[None, None], 0).view_as(gradient)


def _with_coarser(x: Tensor, kernel: Tensor, level: int) -> Tensor:
    if level == LEVELS or min(x.shape[-2:]) < SMALLEST:
        return x
    coarse = _with_coarser(F.conv2d(x, kernel, stride=2, padding=1), kernel, level + 1)
    odd = (x.shape[-2] % 2, x.shape[-1] % 2)
    back = F.conv_transpose2d(coarse, kernel, stride=2, padding=1, output_padding=odd)
    return back.mul_(GAIN if level else FIRST).add_(x)
