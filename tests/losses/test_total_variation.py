"""The total variation against numbers by hand, and its gradient against autograd."""

from __future__ import annotations

import functools
import math

import pytest
import torch
from torch import Tensor

from tests.support import closed, rounding
from vangram.losses import total_variation, total_variation_loss, total_variation_loss_grad
from vangram.losses.total_variation import EPSILON

ROUNDING = rounding(3 * 5 * 7, layers=2, condition=10)
"""Differences of numbers near one, of a tenth, and their roots."""


def picture(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape or (1, 3, 5, 7), generator=generator, dtype=torch.float64)


def autograd(image: Tensor) -> Tensor:
    image = image.clone().requires_grad_()
    dx = torch.zeros_like(image)
    dy = torch.zeros_like(image)
    dx[..., :-1] = image[..., 1:] - image[..., :-1]
    dy[..., :-1, :] = image[..., 1:, :] - image[..., :-1, :]
    loss = ((dx**2 + dy**2 + EPSILON**2) ** 0.5 - EPSILON).sum()
    (gradient,) = torch.autograd.grad(loss, image)
    return gradient


def test_total_variation_equals_the_sum_by_hand() -> None:
    image = torch.tensor([[0.0, 0.3], [0.4, 1.0]], dtype=torch.float64)

    def length(dx: float, dy: float) -> float:
        return math.sqrt(dx**2 + dy**2 + 0.01**2) - 0.01

    by_hand = (
        length(0.3 - 0.0, 0.4 - 0.0) + length(0, 1.0 - 0.3) + length(1.0 - 0.4, 0) + length(0, 0)
    )
    assert float(total_variation_loss(image)) == pytest.approx(by_hand, rel=ROUNDING)
    assert total_variation_loss(image).dtype == torch.float64


def test_total_variation_of_a_constant_is_zero() -> None:
    image = torch.full((1, 3, 6, 5), 0.7, dtype=torch.float64)
    assert float(total_variation_loss(image)) == 0
    assert not total_variation_loss_grad(image).any()


def test_total_variation_of_a_step_is_its_height_times_its_length() -> None:
    image = torch.zeros(1, 1, 10, 8, dtype=torch.float64)
    image[..., 4:] = 1
    # The smoothing takes off ε − ε²/2 of each of the ten differences.
    assert float(total_variation_loss(image)) == pytest.approx(
        10 * (1 - EPSILON), abs=10 * EPSILON**2
    )


def test_total_variation_counts_every_channel() -> None:
    image = picture(0)
    by_channel = sum(float(total_variation_loss(image[:, index])) for index in range(3))
    assert float(total_variation_loss(image)) == pytest.approx(by_channel, rel=ROUNDING)


def test_total_variation_grad_matches_autograd_in_float64() -> None:
    image = picture(1)
    torch.testing.assert_close(
        total_variation_loss_grad(image), autograd(image), rtol=ROUNDING, atol=ROUNDING
    )


def test_total_variation_grad_of_another_scale_is_detected() -> None:
    image = picture(1)
    wrong = total_variation_loss_grad(image * 1.001)
    assert not torch.allclose(wrong, autograd(image), rtol=ROUNDING, atol=ROUNDING)


def test_total_variation_grad_agrees_with_finite_differences() -> None:
    function = closed(total_variation_loss, total_variation_loss_grad)
    assert torch.autograd.gradcheck(function, (picture(2, 2, 3, 4).requires_grad_(),))


def test_weighted_total_variation_grad_agrees_with_finite_differences() -> None:
    image, weights = picture(2, 2, 3, 4).requires_grad_(), picture(3, 3, 4)
    loss = functools.partial(total_variation_loss, weights=weights)
    grad = functools.partial(total_variation_loss_grad, weights=weights)
    assert torch.autograd.gradcheck(closed(loss, grad), (image,))
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        torch.autograd.gradcheck(closed(loss, total_variation_loss_grad), (image,))


def test_weighted_total_variation_in_bands_equals_the_whole() -> None:
    image, weights = picture(1), picture(3, 5, 7)
    loss, grad = (
        f(image, None, weights) for f in (total_variation_loss, total_variation_loss_grad)
    )
    copies = total_variation.BAND // image[..., 0, :].numel() + 1  # bands of one row
    images, each = image.repeat(copies, 1, 1, 1), weights.repeat(copies, 1, 1, 1)
    rows = (slice(0, 2), slice(2, 5))
    total = sum(float(total_variation_loss(images, part, each)) for part in rows)
    assert total == pytest.approx(copies * float(loss), rel=ROUNDING)
    parts = [total_variation_loss_grad(images, part, each) for part in rows]
    assert torch.equal(torch.cat(parts, dim=-2), grad.expand_as(images))


def test_total_variation_grad_sums_to_zero() -> None:
    # Adding a constant to the picture changes no difference.
    assert abs(float(total_variation_loss_grad(picture(3)).sum())) < ROUNDING


def test_total_variation_is_the_same_in_every_memory_layout() -> None:
    image = picture(4)
    innermost = image.to(memory_format=torch.channels_last)
    assert innermost.stride() != image.stride()
    torch.testing.assert_close(
        total_variation_loss(innermost), total_variation_loss(image), rtol=ROUNDING, atol=0
    )
    torch.testing.assert_close(
        total_variation_loss_grad(innermost),
        total_variation_loss_grad(image),
        rtol=ROUNDING,
        atol=ROUNDING,
    )


def test_total_variation_grad_keeps_shape_and_dtype() -> None:
    image = picture(5).float()
    gradient = total_variation_loss_grad(image)
    assert gradient.dtype == torch.float32
    assert gradient.shape == image.shape
