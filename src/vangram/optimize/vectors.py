"""Vector arithmetic on images of any size, in bands of rows where they live in files."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vangram.storage.tensors import Storage, evict, row_bands

PART = 2**20
"""Products that may be added up in float32 without losing digits."""
UNDERFLOW = 1e-30
"""A smaller sum may consist of products below float32's least normal number, 1e-38."""


def dot(a: Tensor, b: Tensor) -> float:
    """Inner product of two images; sums over `PART` values are added up in float64.

    Where products may have underflowed or overflowed in float32, they are computed in float64.
    """
    product = _dot(a, b, a.dtype)
    if abs(product) < UNDERFLOW or not math.isfinite(product):
        product = _dot(a, b, torch.float64)
    return product


def _dot(a: Tensor, b: Tensor, dtype: torch.dtype) -> float:
    products = []
    for x, y in zip(torch.split(a.flatten(), PART), torch.split(b.flatten(), PART), strict=True):
        products.append(x.to(dtype).dot(y.to(dtype)))
        evict()
    return float(torch.stack(products).sum(dtype=torch.float64))


def is_finite(a: Tensor) -> bool:
    """Whether an image has no NaN and no infinity."""
    return all(bool(torch.isfinite(a[..., band, :]).all()) for band in row_bands(a))


def largest(a: Tensor) -> float:
    """The largest absolute value of an image."""
    return float(torch.stack([a[..., band, :].abs().amax() for band in row_bands(a)]).amax())


def plus(a: Tensor, factor: float, b: Tensor, storage: Storage) -> Tensor:
    """A new image, a + factor b."""
    summed = storage.empty(tuple(a.shape), a)
    for band in row_bands(a):
        at = (..., band, slice(None))
        torch.add(a[at], b[at], alpha=factor, out=summed[at])
    return summed


def add(a: Tensor, factor: float, b: Tensor) -> None:
    """Add factor b to an image in place."""
    for band in row_bands(a):
        a[..., band, :].add_(b[..., band, :], alpha=factor)


def times(a: Tensor, factor: float, storage: Storage) -> Tensor:
    """A new image, factor a."""
    product = storage.empty(tuple(a.shape), a)
    for band in row_bands(a):
        at = (..., band, slice(None))
        torch.mul(a[at], factor, out=product[at])
    return product


def scaled_by(weights: Tensor, a: Tensor, storage: Storage) -> Tensor:
    """A new image, each pixel of (1, C, H, W) times its weight of (1, 1, H, W)."""
    product = storage.empty(tuple(a.shape), a)
    for band in row_bands(a):
        at = (..., band, slice(None))
        torch.mul(a[at], weights[at], out=product[at])
    return product
