"""Moments against sums by hand, and the gradient of what depends on them against autograd."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.support import relative_error, rounding
from vangram.errors import ShapeError
from vangram.losses import Moments, MomentsGrad, feature_moments, feature_moments_grad
from vangram.losses.gaussian import mean_and_covariance

ROUNDING = rounding(4 * 6, condition=10)
"""Sums over positions, of either sign."""


def features(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape or (5, 4, 6), generator=generator, dtype=torch.float64)


def some_slope(channels: int) -> MomentsGrad:
    matrix = features(90, channels, channels)
    return MomentsGrad(matrix + matrix.mT, features(91, channels))


def summed(values: Tensor) -> Tensor:
    found = feature_moments(values, sums=True).sums
    assert found is not None
    return found


def test_moments_equal_the_sums_by_hand() -> None:
    values = torch.tensor([[[1.0, 2.0], [0.0, 3.0]], [[4.0, 0.0], [1.0, -1.0]]])
    assert feature_moments(values, sums=True).products.tolist() == [[14, 1], [1, 18]]
    assert summed(values).tolist() == [6, 4]


def test_moments_without_sums_have_none() -> None:
    assert feature_moments(features(0), sums=False).sums is None
    assert (
        feature_moments(features(0), sums=False) + feature_moments(features(1), sums=False)
    ).sums is None


def test_products_are_bit_identical_with_sums_and_without() -> None:
    values = features(0, 48, 40, 56).float()
    with_sums, without = (feature_moments(values, sums=sums).products for sums in (True, False))
    assert torch.equal(with_sums, without)


def test_moments_add_up_over_tiles() -> None:
    values = features(1)
    tiles = [values[:, :1, :], values[:, 1:, :2], values[:, 1:, 2:]]
    first, *others = (feature_moments(tile, sums=True) for tile in tiles)
    total, whole = sum(others, first), feature_moments(values, sums=True)
    torch.testing.assert_close(total.products, whole.products, rtol=ROUNDING, atol=ROUNDING)
    torch.testing.assert_close(total.sums, whole.sums, rtol=ROUNDING, atol=ROUNDING)
    assert not torch.allclose(others[0].products, whole.products)


def test_moments_per_position_are_a_mean_and_a_mean_square() -> None:
    values = features(2)
    each = feature_moments(values, sums=True) / values[0].numel()
    torch.testing.assert_close(each.sums, values.mean((1, 2)), rtol=ROUNDING, atol=ROUNDING)
    squares = values.square().mean((1, 2))
    torch.testing.assert_close(each.products.diagonal(), squares, rtol=ROUNDING, atol=ROUNDING)


def test_zero_moments_equal_those_of_features_of_zero() -> None:
    found, wanted = (
        feature_moments(features(3), sums=True).zero,
        feature_moments(features(3) * 0, sums=True),
    )
    assert torch.equal(found.products, wanted.products)
    assert found.sums is not None
    assert torch.equal(found.sums, summed(features(3) * 0))


@pytest.mark.parametrize("channels_last", [True, False])
def test_fast_moments_agree_with_float64(channels_last: bool) -> None:
    values = features(0, 48, 40, 56).float()
    if channels_last:
        values = values.movedim(0, 2).contiguous().movedim(2, 0)
    # Sums of either sign over 2,240 positions, which cancel down to about their root.
    allowed = rounding(1, dtype=torch.float32, condition=2240**0.5)
    assert relative_error(summed(values).double(), summed(values.double())) < allowed
    slope = some_slope(48)
    assert slope.sums is not None
    single = feature_moments_grad(values, MomentsGrad(slope.products.float(), slope.sums.float()))
    assert relative_error(single.double(), feature_moments_grad(values.double(), slope)) < allowed


def gained(values: Tensor, slope: MomentsGrad) -> Tensor:
    """½ ⟨S, F Fᵀ⟩ + ⟨t, Σ F⟩, whose gradient is S F + t."""
    flat = values.flatten(1)
    assert slope.sums is not None
    return 0.5 * (slope.products * (flat @ flat.mT)).sum() + (slope.sums * flat.sum(1)).sum()


def test_moments_grad_matches_autograd_in_float64() -> None:
    values, slope = features(4).requires_grad_(), some_slope(5)
    (true,) = torch.autograd.grad(gained(values, slope), values)
    found = feature_moments_grad(values.detach(), slope)
    torch.testing.assert_close(found, true, rtol=ROUNDING, atol=ROUNDING)
    without = feature_moments_grad(values.detach(), MomentsGrad(slope.products))
    assert not torch.allclose(without, true)


def test_moments_grad_of_a_tile_equals_the_whole() -> None:
    values, slope = features(5), some_slope(5)
    whole, tile = (
        feature_moments_grad(values, slope),
        feature_moments_grad(values[:, 1:3, 2:], slope),
    )
    torch.testing.assert_close(tile, whole[:, 1:3, 2:], rtol=ROUNDING, atol=ROUNDING)


def test_moments_shape_errors_quote_the_shapes() -> None:
    with pytest.raises(ShapeError, match=r"\(C, h, w\), not \(1, 5, 4, 6\)"):
        feature_moments(features(0)[None], sums=True)
    with pytest.raises(ShapeError, match="5 channels of features, 4 of residual"):
        feature_moments_grad(features(0), MomentsGrad(torch.zeros(4, 4), torch.zeros(4)))


def test_mean_of_moments_without_sums_is_refused() -> None:
    with pytest.raises(ShapeError, match="there are none"):
        mean_and_covariance(Moments(torch.eye(3)), 1)
