"""Smoothness: the total variation of a picture."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 0.01
"""Differences below this, in units of the picture's range, are smoothed rather than removed."""


def total_variation(image: Tensor) -> Tensor:
    """Isotropic total variation: Σ √(dx² + dy² + ε²) − ε over pixels and channels.

    Rudin, Osher and Fatemi 1992, with forward differences, zero beyond the last row and column,
    and ε (`EPSILON`) to make it differentiable. Unlike the sum of squares it lets edges stand, and
    edges are what strokes are made of. Not part of Gatys et al.

    Args:
        image: (..., H, W).

    Returns:
        A float64 scalar.
    """
    dx, dy = _differences(image)
    return (_length(dx, dy) - EPSILON).sum(dtype=torch.float64)


def total_variation_grad(image: Tensor) -> Tensor:
    """Gradient of `total_variation`: minus the divergence of the normalised differences.

    Args:
        image: (..., H, W).

    Returns:
        Shape, dtype and device of `image`.
    """
    dx, dy = _differences(image)
    length = _length(dx, dy)
    dx, dy = dx / length, dy / length
    return F.pad(dx[..., :-1], (1, 0)) - dx + F.pad(dy[..., :-1, :], (0, 0, 1, 0)) - dy


def _differences(image: Tensor) -> tuple[Tensor, Tensor]:
    dx = F.pad(image[..., 1:] - image[..., :-1], (0, 1))
    dy = F.pad(image[..., 1:, :] - image[..., :-1, :], (0, 0, 0, 1))
    return dx, dy


def _length(dx: Tensor, dy: Tensor) -> Tensor:
    return (dx.square() + dy.square() + EPSILON**2).sqrt()
