"""X Xᵀ by the compiled kernel, against torch's product."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.support import relative_error, rounding
from vangram.kernels import channel_products
from vangram.kernels.symmetric import CHUNK, has_symmetric_products, symmetric_products

pytest.importorskip("llvmlite", reason="kernels are compiled by llvmlite")

CHANNELS = pytest.mark.parametrize("channels", [32, 64, 96, 160])
SIZES = pytest.mark.parametrize(
    "size", [(1, 1), (3, 5), (1, CHUNK), (1, CHUNK + 1), (37, 61), (16, CHUNK + 3)]
)


def features(channels: int, size: tuple[int, int]) -> Tensor:
    generator = torch.Generator().manual_seed(channels)
    return torch.randn(channels, *size, generator=generator, dtype=torch.float64)


def channels_last(x: Tensor) -> Tensor:
    return x[None].contiguous(memory_format=torch.channels_last)


@CHANNELS
@SIZES
def test_products_are_those_of_torch(channels: int, size: tuple[int, int]) -> None:
    x = features(channels, size)
    assert has_symmetric_products(x)
    found, flat = symmetric_products(channels_last(x)), x.flatten(1)
    torch.testing.assert_close(
        found, flat @ flat.mT, rtol=0, atol=rounding(flat.shape[1]) * float(flat.square().sum())
    )
    assert torch.equal(found, found.mT)


def test_float32_is_as_close_as_its_rounding() -> None:
    x = features(64, (37, 61))
    found, flat = symmetric_products(channels_last(x.float())), x.float().double().flatten(1)
    # A chunk is added up in float32, and its sums to those of the part.
    error = float((found - flat @ flat.mT).abs().max())
    assert error < 2 * CHUNK * 2**-24 * float(flat.square().sum(1).max())


def test_products_do_not_depend_on_the_number_of_threads() -> None:
    x, threads = channels_last(features(64, (37, 61)).float()), torch.get_num_threads()
    found = []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append(symmetric_products(x))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_products_of_a_tensor_with_itself_are_those_of_two() -> None:
    x = features(64, (5, 7)).float()
    products, sums = channel_products(x, x, sums=True)
    others, other_sums = channel_products(x, x.clone(), sums=True)
    torch.testing.assert_close(products, others)
    torch.testing.assert_close(sums, other_sums)


@pytest.mark.parametrize("rows", [1, 4, 7, 30])
@pytest.mark.parametrize("channels", [24, 128])
def test_bands_are_summed_up_alike_wherever_they_are(channels: int, rows: int) -> None:
    generator = torch.Generator().manual_seed(rows)
    x = torch.randn(23, 31, channels, generator=generator).movedim(2, 0)
    y = torch.randn(channels, 23, 31, generator=generator)
    cut = [rows * (23 // rows // 2), 23 - rows * (23 // rows // 2)]
    for other in (x, y):
        products, sums = channel_products(x, other, sums=True, rows=rows)
        assert sums is not None
        assert products.dtype == sums.dtype == torch.float64
        wanted = torch.einsum("chw,dhw->cd", x.double(), other.double())
        assert relative_error(products, wanted) < rounding(rows * 31, dtype=torch.float32)
        for one, another in zip(torch.split(x, cut, 1), torch.split(other, cut, 1), strict=True):
            if one.numel():
                part, its_sums = channel_products(
                    one, one if other is x else another, sums=True, rows=rows
                )
                assert its_sums is not None
                products, sums = products - part, sums - its_sums
        # What is left of sums of float32 values in float64.
        assert products.abs().max() < 1e-11
        assert sums.abs().max() < 1e-11


def test_channels_that_are_no_multiple_of_a_panel_are_left_to_torch() -> None:
    x = features(67, (5, 7))
    assert not has_symmetric_products(x)
    products, _ = channel_products(x, x, sums=False)
    torch.testing.assert_close(products, x.flatten(1) @ x.flatten(1).mT)
