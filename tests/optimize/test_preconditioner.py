"""The preconditioner: symmetric, positive definite, and stronger for larger forms."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.support import banded, relative_error, rounding
from vangram.optimize.preconditioner import SMALLEST, multilevel
from vangram.storage.tensors import SpilledStorage

SHAPES = [(1, 3, 40, 56), (1, 3, 33, 47), (1, 1, 8, 9), (1, 3, 7, 90)]


def noise(shape: tuple[int, ...], seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("shape", SHAPES)
def test_preconditioner_is_symmetric(shape: tuple[int, ...]) -> None:
    a, b = noise(shape, 0), noise(shape, 1)
    one, other = (a * multilevel(b)).sum(), (b * multilevel(a)).sum()
    # A sum over the picture, after up to five levels down and up.
    assert abs(one - other) < rounding(3 * 40 * 56, layers=10) * a.norm() * b.norm()


@pytest.mark.parametrize("size", [(17, 12), (32, 32)])
def test_preconditioner_is_positive_definite(size: tuple[int, int]) -> None:
    count = size[0] * size[1]
    units = torch.eye(count, dtype=torch.float64).view(count, 1, *size)
    values = torch.linalg.eigvalsh(multilevel(units).view(count, count))
    assert float(values.min()) > 1 - rounding(count) * values.max()
    assert float(values.max()) > 1.5


@pytest.mark.parametrize("band", [1, 200, 700])
@pytest.mark.parametrize("shape", SHAPES)
def test_preconditioner_in_bands_is_the_same(
    shape: tuple[int, ...], band: int, tmp_path: Path
) -> None:
    whole = multilevel(noise(shape, 0))
    with banded(band):
        parts = multilevel(noise(shape, 0), SpilledStorage(tmp_path))
    # A library may sum the sixteen products of a row in another order.
    assert relative_error(parts, whole) < rounding(16, layers=10)


def test_gain_of_the_preconditioner_falls_with_frequency() -> None:
    across = torch.arange(256, dtype=torch.float64)
    gains = []
    for period in (128, 64, 32, 16, 8, 4, 2):
        wave = torch.cos(2 * math.pi * across / period).expand(1, 1, 256, 256)
        gains.append(float((wave * multilevel(wave)).sum() / wave.square().sum()))
    assert gains == sorted(gains, reverse=True)
    assert gains[0] > 10
    assert gains[-1] == pytest.approx(1, abs=0.01)


def test_preconditioner_does_not_mix_channels() -> None:
    gradient = torch.zeros(1, 3, 32, 32, dtype=torch.float64)
    gradient[:, 1] = noise((32, 32), 0)
    changed = multilevel(gradient)
    assert not changed[:, [0, 2]].any()
    assert torch.equal(changed[:, 1:2], multilevel(gradient[:, 1:2]))


def test_small_image_and_the_input_are_not_changed() -> None:
    small = noise((1, 3, SMALLEST - 1, 40), 0)
    assert torch.equal(multilevel(small), small)
    large = noise((1, 3, 40, 40), 0)
    kept = large.clone()
    multilevel(large)
    assert torch.equal(large, kept)
