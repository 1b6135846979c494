"""What cannot be shown: nothing within the range, squares beyond it, and its gradient."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import Tensor

from tests.support import closed, rounding
from vangram.losses import out_of_range_loss, out_of_range_loss_grad


def picture(*shape: int) -> Tensor:
    """From -1 to 2."""
    generator = torch.Generator().manual_seed(1)
    return 3 * torch.rand(shape or (1, 3, 5, 7), generator=generator, dtype=torch.float64) - 1


def test_out_of_range_is_zero_within_the_range() -> None:
    image = picture().clamp(0, 1)
    assert float(out_of_range_loss(image)) == 0
    assert not out_of_range_loss_grad(image).any()


def test_out_of_range_equals_the_sum_by_hand() -> None:
    image = torch.tensor([[-0.5, 0.0], [1.0, 1.25]], dtype=torch.float32)
    assert float(out_of_range_loss(image)) == 0.25 + 0.0625
    assert out_of_range_loss(image).dtype == torch.float64


def test_out_of_range_grad_matches_autograd_in_float64() -> None:
    image = picture().requires_grad_()
    assert torch.autograd.gradcheck(closed(out_of_range_loss, out_of_range_loss_grad), image)


def test_wrong_out_of_range_grad_is_detected() -> None:
    image = picture().requires_grad_()
    wrong = closed(out_of_range_loss, lambda x: 1.01 * out_of_range_loss_grad(x))
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        torch.autograd.gradcheck(wrong, image)


def test_weighted_out_of_range_grad_matches_autograd_in_float64() -> None:
    image, weights = picture().requires_grad_(), picture(1, 1, 5, 7).abs()
    loss = functools.partial(out_of_range_loss, weights=weights)
    grad = functools.partial(out_of_range_loss_grad, weights=weights)
    assert torch.autograd.gradcheck(closed(loss, grad), image)
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        torch.autograd.gradcheck(closed(loss, out_of_range_loss_grad), image)


def test_rows_of_weights_are_those_of_the_picture() -> None:
    image, weights, rows = picture(), picture(1, 1, 5, 7).abs(), slice(2, 5)
    part = out_of_range_loss(image[..., rows, :], weights=weights[..., rows, :])
    assert torch.equal(out_of_range_loss(image, rows, weights), part)
    slope = out_of_range_loss_grad(image, weights=weights)[..., rows, :]
    assert torch.equal(out_of_range_loss_grad(image, rows, weights), slope)


def test_rows_add_up_to_the_whole() -> None:
    image = picture()
    parts = [slice(0, 2), slice(2, 5)]
    # Sums in another order.
    torch.testing.assert_close(
        sum(out_of_range_loss(image, rows) for rows in parts),
        out_of_range_loss(image),
        rtol=rounding(3 * 5 * 7),
        atol=0,
    )
    slopes = torch.cat([out_of_range_loss_grad(image, rows) for rows in parts], dim=-2)
    assert torch.equal(slopes, out_of_range_loss_grad(image))
