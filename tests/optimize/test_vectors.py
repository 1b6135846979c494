"""Arithmetic on pictures as vectors: what torch calculates at once, a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.support import banded, rounding
from vangram.optimize import vectors
from vangram.optimize.vectors import add, dot, is_finite, largest, plus, times
from vangram.storage.tensors import IN_MEMORY, SpilledStorage, Storage

SINGLE = rounding(300, dtype=torch.float32, condition=4)
"""Sums of 300 products in float32, of either sign; these are added in float64."""


@pytest.fixture(params=["memory", "files"])
def storage(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Storage]:
    monkeypatch.setattr(vectors, "PART", 300)
    with banded(300):
        yield IN_MEMORY if request.param == "memory" else SpilledStorage(tmp_path)


def two(storage: Storage) -> tuple[Tensor, Tensor]:
    """Pictures of noise, (1, 3, 31, 23), that live in a storage."""
    found = []
    for seed in (1, 2):
        noise = torch.randn((1, 3, 31, 23), generator=torch.Generator().manual_seed(seed))
        found.append(storage.empty(tuple(noise.shape), noise).copy_(noise))
    return found[0], found[1]


def test_dot_and_largest_equal_torch(storage: Storage) -> None:
    a, b = two(storage)
    assert dot(a, b) == pytest.approx(float((a.double() * b.double()).sum()), rel=SINGLE)
    assert largest(a) == float(a.abs().max())
    a[0, 1, 30, 3] = torch.nan
    assert not largest(a) < 1e30


def test_sums_are_bit_identical_to_torch(storage: Storage) -> None:
    a, b = two(storage)
    kept = a.clone()
    wanted = torch.add(a, b, alpha=0.3)
    assert torch.equal(plus(a, 0.3, b, storage), wanted)
    assert torch.equal(a, kept)
    add(a, 0.3, b)
    assert torch.equal(a, wanted)
    assert torch.equal(times(a, 0.7, storage), wanted * 0.7)
    assert torch.equal(a, wanted)


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e20, 1e30])
def test_dot_neither_underflows_nor_overflows(scale: float, storage: Storage) -> None:
    a, b = (each.abs() for each in two(storage))
    wanted = float((a.double() * b.double()).sum()) * scale**2
    assert dot(a * scale, b * scale) == pytest.approx(wanted, rel=SINGLE, abs=0)
    assert dot(a, torch.zeros_like(b)) == 0


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_one_bad_value_is_not_finite(bad: float, storage: Storage) -> None:
    a, _ = two(storage)
    assert is_finite(a)
    a[0, 2, 30, 22] = bad
    assert not is_finite(a)
