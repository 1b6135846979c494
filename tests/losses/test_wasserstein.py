"""The Wasserstein distance against closed forms by hand, and its gradient against autograd."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.support import closed, rounding
from vangram.losses import Moments, feature_moments, feature_moments_grad
from vangram.losses.gaussian import BLUR
from vangram.losses.wasserstein import WassersteinStyle

ROUNDING = rounding(6 * 7, layers=4, condition=1e3)
"""Inverse roots of eigenvalues of a thousandth of the largest (`BLUR`)."""


def features(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape or (5, 6, 7), generator=generator, dtype=torch.float64)


def normal(mean: Tensor, covariance: Tensor) -> Moments:
    """Moments per position of a normal distribution."""
    return Moments(covariance + torch.outer(mean, mean), mean)


def distance(image: Moments, target: Moments) -> float:
    return float(WassersteinStyle(target).value(image, 1))


def turned(angle: float) -> Tensor:
    turn = torch.tensor(angle, dtype=torch.float64)
    return torch.stack([turn.cos(), -turn.sin(), turn.sin(), turn.cos()]).view(2, 2)


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


MEANS = tensor(1.0, -2.0), tensor(0.5, 3.0)
APART = 0.5**2 + 5**2
VARIANCES = tensor(4.0, 0.25), tensor(1.0, 9.0)
BLURRED = BLUR * (1.0 + 9.0 + 0.5**2 + 3**2) / 2
"""Of the second: a share of the mean square of its channels."""
BY_HAND = float(sum((VARIANCES[0] + BLURRED).sqrt().sub((VARIANCES[1] + BLURRED).sqrt()) ** 2))


def test_wasserstein_of_diagonal_covariances_sums_the_channels() -> None:
    ours, theirs = (
        normal(mean, values.diag()) for mean, values in zip(MEANS, VARIANCES, strict=True)
    )
    assert distance(ours, theirs) == pytest.approx(APART + BY_HAND, rel=ROUNDING)
    # Without any blur it would be this.
    assert pytest.approx(1**2 + 2.5**2, rel=1e-2) == BY_HAND


@pytest.mark.parametrize("angle", [0.3, 1.1])
def test_wasserstein_of_commuting_covariances_sums_the_axes(angle: float) -> None:
    axes = turned(angle)
    ours, theirs = (
        normal(mean, axes @ values.diag() @ axes.mT)
        for mean, values in zip(MEANS, VARIANCES, strict=True)
    )
    assert distance(ours, theirs) == pytest.approx(APART + BY_HAND, rel=ROUNDING)


def test_wasserstein_of_two_by_two_covariances_equals_the_closed_form() -> None:
    axes = turned(0.7)
    first, second = VARIANCES[0].diag(), axes @ VARIANCES[1].diag() @ axes.mT
    blurred = [covariance + BLURRED * torch.eye(2) for covariance in (first, second)]
    # tr √X of a 2 × 2 matrix X is √(tr X + 2 √det X).
    product = blurred[0] @ blurred[1]
    root = (product.trace() + 2 * product.det().sqrt()).sqrt()
    by_hand = APART + float(blurred[0].trace() + blurred[1].trace() - 2 * root)
    found = distance(normal(MEANS[0], first), normal(MEANS[1], second))
    assert found == pytest.approx(by_hand, rel=ROUNDING)
    assert found != pytest.approx(APART + BY_HAND, rel=1e-2)


def test_wasserstein_between_equals_is_zero() -> None:
    ours = feature_moments(features(0), sums=True)
    target = ours / 42
    weighs = distance(target.zero, target)
    value, slope = WassersteinStyle(target).value_and_grad(ours, 42, 1.0)
    assert abs(float(value)) < ROUNDING * weighs
    assert float(slope.products.abs().max()) < ROUNDING
    other = feature_moments(features(1), sums=True)
    assert float(WassersteinStyle(target).value(other, 42)) > 0.01 * weighs


def test_wasserstein_from_zero_is_the_mean_square_up_to_the_blur() -> None:
    target = feature_moments(features(0), sums=True) / 42
    assert target.sums is not None
    square = float(target.products.trace())
    # Blurred roots: √(σ² + b) − √b is less than σ by √b at most, a thirtieth of the mean square's.
    assert 0.9 * square < distance(target.zero, target) < square


def test_wasserstein_is_symmetric_up_to_the_blur() -> None:
    ours, theirs = (feature_moments(features(seed), sums=True) / 42 for seed in (0, 1))
    assert distance(ours, theirs) == pytest.approx(distance(theirs, ours), rel=BLUR)


def independent(values: Tensor, painted: Tensor) -> Tensor:
    """‖μ − μ'‖² + ‖X‖² + ‖Y‖² − 2 ‖XᵀY‖_*, Σ = X Xᵀ: features themselves, and noise beside them."""

    def factor(each: Tensor) -> tuple[Tensor, Tensor]:
        flat = each.flatten(1)
        mean = flat.mean(1)
        blur = (BLUR * painted.square().mean()).sqrt() * torch.eye(len(flat), dtype=flat.dtype)
        return mean, torch.cat([(flat - mean[:, None]) / flat.shape[1] ** 0.5, blur], 1)

    (mean, x), (other, y) = factor(values), factor(painted)
    shared = torch.linalg.svdvals(x.mT @ y)[: len(x)].sum()
    apart: Tensor = (mean - other).square().sum() + x.square().sum() + y.square().sum()
    return apart.sub(shared, alpha=2)


def closed_form(values: Tensor, painted: Tensor) -> Tensor:
    target = feature_moments(painted, sums=True) / painted[0].numel()
    style, positions = WassersteinStyle(target), values[0].numel()
    _, slope = style.value_and_grad(feature_moments(values, sums=True), positions, 1.0)
    return feature_moments_grad(values, slope)


def value(values: Tensor, painted: Tensor) -> Tensor:
    target = feature_moments(painted, sums=True) / painted[0].numel()
    return WassersteinStyle(target).value(feature_moments(values, sums=True), values[0].numel())


def test_wasserstein_equals_an_independent_formula_by_singular_values() -> None:
    values, painted = features(2), features(3, 5, 4, 5) * 2 + 1
    assert float(value(values, painted)) == pytest.approx(
        float(independent(values, painted)), rel=ROUNDING
    )


def test_wasserstein_grad_matches_autograd_of_the_independent_formula() -> None:
    values, painted = features(2), features(3, 5, 4, 5) * 2 + 1
    by_autograd = values.clone().requires_grad_()
    (true,) = torch.autograd.grad(independent(by_autograd, painted), by_autograd)
    found = closed_form(values, painted)
    torch.testing.assert_close(found, true, rtol=ROUNDING, atol=ROUNDING)
    wrong = closed_form(values, painted * 1.001)
    assert not torch.allclose(wrong, true, rtol=ROUNDING, atol=ROUNDING)


def test_wasserstein_grad_agrees_with_finite_differences() -> None:
    painted = features(5, 3, 3, 3)
    values = features(4, 3, 2, 3).requires_grad_()
    function = closed(lambda x: value(x, painted), lambda x: closed_form(x, painted))
    assert torch.autograd.gradcheck(function, (values,))


def test_one_transport_step_minimises_wasserstein() -> None:
    # With mean and covariance alone to fit, x ↦ x − ½ M ∂E/∂x is the optimal map itself.
    values, painted = features(6, 4, 9, 9), features(7, 4, 8, 8) * 3 + 1
    moved = values - 0.5 * values[0].numel() * closed_form(values, painted)
    before, after = (float(value(each, painted)) for each in (values, moved))
    # The map takes blurred features to blurred ones, so without it a little is left.
    assert after < BLUR * before
