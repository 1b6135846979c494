"""Arithmetic on pictures as vectors, of any size: a few rows at a time where they live in files."""

from __future__ import annotations

import torch
from torch import Tensor

from vangram.storage.tensors import Storage, bands

PART = 2**20
"""Values whose products a library may add up in float32 before digits are lost."""


def dot(a: Tensor, b: Tensor, storage: Storage) -> float:
    """Inner product of two pictures; parts of `PART` values are summed in float64."""
    products = []
    for x, y in zip(torch.split(a.flatten(), PART), torch.split(b.flatten(), PART), strict=True):
        products.append(x.dot(y))
        storage.release()
    return float(torch.stack(products).sum(dtype=torch.float64))


def largest(a: Tensor, storage: Storage) -> float:
    """The largest absolute value of a picture."""
    found = []
    for rows in bands(a):
        found.append(a[..., rows, :].abs().amax())
        storage.release()
    return float(torch.stack(found).amax())


def plus(a: Tensor, share: float, b: Tensor, storage: Storage) -> Tensor:
    """A new picture: a + share b."""
    summed = storage.empty(tuple(a.shape), a)
    for rows in bands(a):
        at = (..., rows, slice(None))
        torch.add(a[at], b[at], alpha=share, out=summed[at])
        storage.release()
    return summed


def add(a: Tensor, share: float, b: Tensor, storage: Storage) -> None:
    """Add share b to a picture in place."""
    for rows in bands(a):
        a[..., rows, :].add_(b[..., rows, :], alpha=share)
        storage.release()


def times(a: Tensor, factor: float, storage: Storage) -> Tensor:
    """A new picture: factor a."""
    product = storage.empty(tuple(a.shape), a)
    for rows in bands(a):
        at = (..., rows, slice(None))
        torch.mul(a[at], factor, out=product[at])
        storage.release()
    return product
