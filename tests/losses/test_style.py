"""What holds for every style loss: its slope is its value's, and degenerate features are finite."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor

from tests.support import rounding
from vangram.losses import STYLE_LOSSES, Moments, feature_moments, feature_moments_grad
from vangram.losses.gaussian import BLUR
from vangram.losses.gram import GramStyle
from vangram.losses.mean_std import GramMomentsStyle, MeanStdStyle
from vangram.settings.recipe import StyleLossName

ROUNDING = rounding(6 * 7, layers=4, condition=1e3)
"""Inverse roots of eigenvalues of a thousandth of the largest (`BLUR`)."""
kinds = pytest.mark.parametrize("name", STYLE_LOSSES)


def features(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape or (5, 6, 7), generator=generator, dtype=torch.float64)


def target_of(painted: Tensor) -> Moments:
    return feature_moments(painted, sums=True) / painted[0].numel()


def flat_moments(values: Tensor) -> Moments:
    flat = values.flatten(1)
    return Moments(flat @ flat.mT, flat.sum(1))


def test_every_style_loss_of_the_recipe_exists() -> None:
    assert set(STYLE_LOSSES) == set(get_args(StyleLossName))


@kinds
def test_value_with_gradient_equals_the_value(name: str) -> None:
    style = STYLE_LOSSES[name](target_of(features(0)))
    image = feature_moments(features(1), sums=True)
    value, _ = style.value_and_grad(image, 42, 3.0)
    assert value.dtype == torch.float64
    assert float(value) == pytest.approx(float(style.value(image, 42)), rel=ROUNDING)


@kinds
def test_style_grad_matches_autograd_in_float64(name: str) -> None:
    style = STYLE_LOSSES[name](target_of(features(0) * 2))
    values = features(1).requires_grad_()
    (true,) = torch.autograd.grad(7.0 * style.value(flat_moments(values), 42), values)
    values = values.detach()
    _, slope = style.value_and_grad(feature_moments(values, sums=True), 42, 7.0)
    found = feature_moments_grad(values, slope)
    torch.testing.assert_close(found, true, rtol=ROUNDING, atol=ROUNDING)
    _, other = style.value_and_grad(feature_moments(values, sums=True), 42, 7.01)
    assert not torch.allclose(
        feature_moments_grad(values, other), true, rtol=ROUNDING, atol=ROUNDING
    )


@kinds
def test_value_does_not_depend_on_repeated_features(name: str) -> None:
    style = STYLE_LOSSES[name](target_of(features(0)))
    one, four = features(1), features(1).repeat(1, 2, 2)
    values = [
        float(style.value(feature_moments(each, sums=True), each[0].numel()))
        for each in (one, four)
    ]
    assert values[0] == pytest.approx(values[1], rel=ROUNDING)


@kinds
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("few positions", "many"),
        ("many", "few positions"),
        ("few positions", "few positions"),
        ("dead channels", "many"),
        ("many", "dead channels"),
        ("dead channels", "dead channels"),
        ("flat", "many"),
        ("many", "flat"),
        ("nothing", "many"),
        ("many", "nothing"),
        ("nothing", "nothing"),
    ],
)
def test_degenerate_features_have_a_finite_value_and_gradient(
    name: str, dtype: torch.dtype, ours: str, theirs: str
) -> None:
    def made(kind: str, seed: int) -> Tensor:
        values = features(seed, 24, 2 if kind == "few positions" else 8, 5).to(dtype)
        if kind == "dead channels":
            values[12:] = 0
        return {"flat": values * 0 + 0.3, "nothing": values * 0}.get(kind, values)

    image, painted = made(ours, 1), made(theirs, 2)
    style = STYLE_LOSSES[name](target_of(painted))
    positions = image[0].numel()
    value, slope = style.value_and_grad(feature_moments(image, sums=True), positions, 1.0)
    gradient = feature_moments_grad(image, slope)
    assert gradient.dtype == dtype
    assert bool(gradient.isfinite().all())
    if name == "wasserstein":
        # Twice the way to the painting, in the mean square: no root makes it longer.
        away = float((image.square().mean() + painted.square().mean()).sqrt())
        assert float(gradient.norm()) * positions**0.5 <= 3 * away * 24**0.5
    assert -1e-6 <= float(value) < 1e3
    if ours == theirs == "nothing":
        assert float(value) == pytest.approx(0, abs=rounding(24, layers=2))
        assert not gradient.any()


@kinds
@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
def test_value_of_features_with_nan_is_not_finite(name: str, wrong: float) -> None:
    style = STYLE_LOSSES[name](target_of(features(0)))
    image = features(1)
    image[2, 3, 4] = wrong
    value, _ = style.value_and_grad(feature_moments(image, sums=True), 42, 1.0)
    assert not bool(value.isfinite())


def test_mean_std_distance_equals_the_sum_by_hand() -> None:
    ours, theirs = features(0), features(1) * 2 + 1
    blur = BLUR * theirs.square().mean()
    deviations = [(each.var((1, 2), correction=0) + blur).sqrt() for each in (ours, theirs)]
    means = [each.mean((1, 2)) for each in (ours, theirs)]
    by_hand = (means[0] - means[1]).square().sum() + (deviations[0] - deviations[1]).square().sum()
    found = MeanStdStyle(target_of(theirs)).value(feature_moments(ours, sums=True), 42)
    assert float(found) == pytest.approx(float(by_hand), rel=ROUNDING)


def test_gram_moments_style_is_half_gram_and_has_its_value_at_zero() -> None:
    target = target_of(features(0))
    both, gram = GramMomentsStyle(target), GramStyle(target)
    weighs = float(gram.value(target.zero, 1))
    assert float(both.value(target.zero, 1)) == pytest.approx(weighs, rel=ROUNDING)
    image = feature_moments(features(1), sums=True)
    rest = float(both.mean_std.value(image, 42)) / float(both.mean_std.value(target.zero, 1))
    by_hand = 0.5 * float(gram.value(image, 42)) + 0.5 * weighs * rest
    assert float(both.value(image, 42)) == pytest.approx(by_hand, rel=ROUNDING)


def test_contrast_hidden_from_the_gram_matrix_is_detected_with_moments() -> None:
    # The same mean square, once as a mean and once as a deviation.
    steady, wavering = torch.ones(1, 4, 4), torch.ones(1, 4, 4)
    wavering[:, ::2] = -1
    image, target = feature_moments(wavering.double(), sums=True), target_of(steady.double())
    assert float(GramStyle(target).value(image, 16)) == 0
    for name in ("gram+moments", "wasserstein"):
        style = STYLE_LOSSES[name](target)
        assert float(style.value(image, 16)) > 0.4 * float(style.value(target.zero, 16))
