"""The content term against numbers by hand, and its gradient against autograd."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import Tensor

from tests.support import closed, rounding
from vangram.errors import ShapeError
from vangram.losses import content_loss, content_loss_grad

ROUNDING = rounding(5 * 4 * 6)
"""Sums over all features."""


def features(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape or (1, 5, 4, 6), generator=generator, dtype=torch.float64)


def autograd(values: Tensor, target: Tensor) -> Tensor:
    values = values.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(0.5 * ((values - target) ** 2).sum(), values)
    return gradient


def test_content_loss_equals_the_sum_by_hand() -> None:
    values = torch.tensor([[[1.0, 2.0], [3.0, -4.0]]])
    target = torch.tensor([[[0.0, 5.0], [3.0, 1.0]]])
    by_hand = 0.5 * ((1 - 0) ** 2 + (2 - 5) ** 2 + (3 - 3) ** 2 + (-4 - 1) ** 2)
    assert by_hand == 17.5
    assert float(content_loss(values, target)) == by_hand


def test_content_loss_against_zeros_is_half_the_features_energy() -> None:
    values = features(0)
    energy = sum(value**2 for value in values.flatten().tolist())
    assert float(content_loss(values, torch.zeros_like(values))) == pytest.approx(
        0.5 * energy, rel=ROUNDING
    )


def test_content_loss_is_summed_in_float64() -> None:
    # A float32 sum of 2^24 + many ones stands still at 2^24, so the ones would be lost.
    values = torch.ones(1, 4097)
    values[0, 0] = 4096.0
    loss = content_loss(values, torch.zeros_like(values))
    assert loss.dtype == torch.float64
    assert float(loss) == 0.5 * (4096.0**2 + 4096)


def test_content_loss_adds_up_over_tiles() -> None:
    values, target = features(1), features(2)
    whole = content_loss(values, target)
    left = content_loss(values[..., :2], target[..., :2])
    right = content_loss(values[..., 2:], target[..., 2:])
    assert float(left + right) == pytest.approx(float(whole), rel=ROUNDING)


def test_content_grad_matches_autograd_in_float64() -> None:
    values, target = features(3), features(4)
    gradient = content_loss_grad(values, target)
    assert gradient.dtype == torch.float64
    torch.testing.assert_close(gradient, autograd(values, target), rtol=ROUNDING, atol=ROUNDING)


def test_content_grad_of_another_scale_is_detected() -> None:
    values, target = features(3), features(4)
    wrong = content_loss_grad(values, target) * 1.001
    assert not torch.allclose(wrong, autograd(values, target), rtol=ROUNDING, atol=ROUNDING)


def test_content_grad_agrees_with_finite_differences() -> None:
    target = features(6, 2, 3, 2)
    values = features(5, 2, 3, 2).requires_grad_()
    function = closed(lambda x: content_loss(x, target), lambda x: content_loss_grad(x, target))
    assert torch.autograd.gradcheck(function, (values,))


def test_weighted_content_grad_agrees_with_finite_differences() -> None:
    target, weights = features(6, 2, 3, 2), features(7, 3, 2).abs()
    values = features(5, 2, 3, 2).requires_grad_()
    loss = functools.partial(content_loss, target=target, weights=weights)
    slope = functools.partial(content_loss_grad, target=target)
    function = closed(loss, functools.partial(slope, weights=weights))
    assert torch.autograd.gradcheck(function, (values,))
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        torch.autograd.gradcheck(closed(loss, slope), (values,))


def test_content_of_weights_is_the_sum_by_hand() -> None:
    values = torch.tensor([[[1.0, 2.0], [3.0, -4.0]]])
    weights = torch.tensor([[1.0, 0.0], [0.5, 0.25]])
    by_hand = 0.5 * (1 + 0.5 * 9 + 0.25 * 16)
    assert float(content_loss(values, torch.zeros_like(values), weights)) == by_hand


def test_content_is_the_same_in_every_memory_layout() -> None:
    values, target = features(7), features(8)
    innermost = values.to(memory_format=torch.channels_last)
    assert innermost.stride() != values.stride()
    torch.testing.assert_close(
        content_loss(innermost, target), content_loss(values, target), rtol=ROUNDING, atol=0
    )
    torch.testing.assert_close(
        content_loss_grad(innermost, target), content_loss_grad(values, target), rtol=0, atol=0
    )


@pytest.mark.parametrize("function", [content_loss, content_loss_grad])
def test_content_shape_error_quotes_both_shapes(function: object) -> None:
    assert callable(function)
    with pytest.raises(ShapeError) as caught:
        function(torch.zeros(1, 2, 3, 4), torch.zeros(1, 2, 4, 3))
    assert "(1, 2, 3, 4)" in str(caught.value)
    assert "(1, 2, 4, 3)" in str(caught.value)
    assert "\n" not in str(caught.value)
