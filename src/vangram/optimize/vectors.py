"""Vector arithmetic on images of any size, in bands of rows where they live in files."""

from __future__ import annotations

import torch
from torch import Tensor

from vangram.storage.tensors import Storage, bands

PART = 2**20
"""Products that may be added up in float32 without losing digits."""


def dot(a: Tensor, b: Tensor, storage: Storage) -> float:
    """Inner product of two images; sums over `PART` values are added up in float64."""
    products = []
    for x, y in zip(torch.split(a.flatten(), PART), torch.split(b.flatten(), PART), strict=True):
        products.append(x.dot(y))
        storage.release()
    return float(torch.stack(products).sum(dtype=torch.float64))


def largest(a: Tensor, storage: Storage) -> float:
    """The largest absolute value of an image."""
    found = []
    for rows in bands(a):
        found.append(a[..., rows, :].abs().amax())
        storage.release()
    return float(torch.stack(found).amax())


def plus(a: Tensor, factor: float, b: Tensor, storage: Storage) -> Tensor:
    """A new image, a + factor b."""
    summed = storage.empty(tuple(a.shape), a)
    for rows in bands(a):
        at = (..., rows, slice(None))
        torch.add(a[at], b[at], alpha=factor, out=summed[at])
        storage.release()
    return summed


def add(a: Tensor, factor: float, b: Tensor, storage: Storage) -> None:
    """Add factor b to an image in place."""
    for rows in bands(a):
        a[..., rows, :].add_(b[..., rows, :], alpha=factor)
        storage.release()


def times(a: Tensor, factor: float, storage: Storage) -> Tensor:
    """A new image, factor a."""
    product = storage.empty(tuple(a.shape), a)
    for rows in bands(a):
        at = (..., rows, slice(None))
        torch.mul(a[at], factor, out=product[at])
        storage.release()
    return product
