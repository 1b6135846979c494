"""The objective's pieces: what targets weigh, what sums over positions give, what is refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from tests.support import batched, rounding
from vangram.errors import LayerError, ShapeError, SizeError
from vangram.losses import STYLE_LOSSES, Moments
from vangram.networks import FeatureNetwork
from vangram.objective import Objective, Statistics, Term, TermKey
from vangram.settings.recipe import Recipe, StyleLossName, Units

ROUNDING = rounding(32 * 48, layers=4, condition=10)
"""Moments over at most 32 x 48 positions, residuals of a tenth of them, losses, their sum."""

BOTH = Recipe(
    content_layers={"relu3_1": 0.4, "relu4_1": 1.0}, style_weight=3.0, tv_weight=0, range_weight=0
)


@pytest.fixture
def pictures() -> tuple[Tensor, Tensor]:
    return batched(32, 48, seed=1), batched(40, 36, seed=2)


@pytest.fixture
def objective(lite64: FeatureNetwork, pictures: tuple[Tensor, Tensor]) -> Objective:
    return Objective.of(BOTH, lite64, *pictures)


kinds = pytest.mark.parametrize("style_loss", STYLE_LOSSES)


def judged(objective: Objective, features: Mapping[str, Tensor]) -> dict[tuple[str, str], Term]:
    loss_terms = objective.loss_terms(objective.measure(features), torch.zeros(1, 3, 32, 48))
    return {(term.kind, term.layer): term for term in loss_terms.terms}


@kinds
def test_relative_terms_are_one_for_features_of_zero(
    lite64: FeatureNetwork, pictures: tuple[Tensor, Tensor], style_loss: StyleLossName
) -> None:
    objective = Objective.of(BOTH.replace(style_loss=style_loss), lite64, *pictures)
    features = lite64(pictures[0], objective.layers)
    terms = judged(objective, {layer: torch.zeros_like(f) for layer, f in features.items()})
    assert len(terms) == 7
    for term in terms.values():
        assert term.value == pytest.approx(1, rel=ROUNDING)


def test_relative_terms_are_literal_terms_over_literal_terms_at_zero(
    lite64: FeatureNetwork, pictures: tuple[Tensor, Tensor]
) -> None:
    relative = Objective.of(BOTH, lite64, *pictures)
    paper = Objective.of(Recipe.from_dict(BOTH.to_dict() | {"units": "paper"}), lite64, *pictures)
    features = lite64(batched(32, 48, seed=3), relative.layers)
    nothing = {layer: torch.zeros_like(f) for layer, f in features.items()}
    literal, at_zero = judged(paper, features), judged(paper, nothing)
    for name, term in judged(relative, features).items():
        assert term.value == pytest.approx(literal[name].value / at_zero[name].value, rel=ROUNDING)
    assert max(term.value for term in at_zero.values()) > 10  # so the division is seen


@kinds
@pytest.mark.parametrize("units", ["relative", "paper"])
@pytest.mark.parametrize("to", ["relative", "paper"])
def test_recipe_in_other_units_has_the_same_loss_and_residuals(
    lite64: FeatureNetwork,
    pictures: tuple[Tensor, Tensor],
    units: Units,
    to: Units,
    style_loss: StyleLossName,
) -> None:
    recipe = BOTH.replace(units=units, style_loss=style_loss)
    first = Objective.of(recipe, lite64, *pictures)
    other = Objective.of(first.recipe_in(to), lite64, *pictures)
    assert other.recipe.units == to
    image = batched(32, 48, seed=3)
    features = lite64(image, first.layers)
    ours, theirs = (o.loss_terms(o.measure(features), image) for o in (first, other))
    assert ours.loss == pytest.approx(theirs.loss, rel=ROUNDING)
    for layer in first.layers:
        slopes = [
            o.feature_grad(layer, features[layer], loss_terms)
            for o, loss_terms in ((first, ours), (other, theirs))
        ]
        # Sums over channels of either sign, so that an entry may be small beside its summands.
        near = ROUNDING * float(slopes[0].abs().max())
        torch.testing.assert_close(slopes[0], slopes[1], rtol=ROUNDING, atol=near)


@pytest.mark.parametrize("missing", ["content", "style", "size"])
def test_objective_without_what_its_terms_need_is_refused(
    lite64: FeatureNetwork, pictures: tuple[Tensor, Tensor], missing: str
) -> None:
    content, style = pictures
    with pytest.raises(ShapeError, match=missing):
        Objective.of(
            BOTH.replace(content_weight=0.0) if missing == "size" else BOTH,
            lite64,
            None if missing in ("content", "size") else content,
            None if missing == "style" else style,
            size=None if missing == "size" else (32, 48),
        )


def test_terms_are_zero_at_their_targets(lite64: FeatureNetwork) -> None:
    picture = batched(32, 48, seed=1)
    objective = Objective.of(BOTH, lite64, picture, picture)
    for term in judged(objective, lite64(picture, objective.layers)).values():
        # The square of an error of the features, of eleven convolutions, twice in a product.
        assert abs(term.value) < (2 * rounding(9 * 384, layers=11)) ** 2


def test_loss_is_the_weighted_sum_of_the_terms(
    objective: Objective, lite64: FeatureNetwork
) -> None:
    image = batched(32, 48, seed=3)
    loss_terms = objective.loss_terms(objective.measure(lite64(image, objective.layers)), image)
    by_hand = sum(
        term.value
        * (
            1.0 * {"relu3_1": 0.4, "relu4_1": 1.0}[term.layer]
            if term.kind == "content"
            else 3.0 * 0.2
        )
        for term in loss_terms.terms
    )
    assert loss_terms.loss == pytest.approx(by_hand, rel=ROUNDING)


@kinds
def test_statistics_of_tiles_add_up_to_the_whole(
    lite64: FeatureNetwork, pictures: tuple[Tensor, Tensor], style_loss: StyleLossName
) -> None:
    recipe = Recipe(content_weight=0, style_loss=style_loss)
    objective = Objective.of(recipe, lite64, *pictures)
    features = lite64(batched(32, 48, seed=3), objective.layers)
    tiles = [
        objective.measure({layer: f[..., ::2] for layer, f in features.items()}),
        objective.measure({layer: f[..., 1::2] for layer, f in features.items()}),
    ]
    for layer, whole in objective.measure(features).style.items():
        total = (tiles[0] + tiles[1]).style[layer]
        torch.testing.assert_close(total.products, whole.products, rtol=ROUNDING, atol=ROUNDING)
        part = tiles[0].style[layer]
        assert not torch.allclose(part.products, whole.products, rtol=ROUNDING, atol=ROUNDING)
        assert (whole.sums is None) == (style_loss == "gram")
        if whole.sums is not None:
            assert total.sums is not None
            assert part.sums is not None
            torch.testing.assert_close(total.sums, whole.sums, rtol=ROUNDING, atol=ROUNDING)
            assert not torch.allclose(part.sums, whole.sums, rtol=ROUNDING, atol=ROUNDING)


def test_style_target_does_not_depend_on_how_often_the_painting_repeats(
    lite64: FeatureNetwork,
) -> None:
    # A constant picture has the same features everywhere under reflection, whatever its size.
    recipe = Recipe(content_weight=0)
    content = batched(32, 48, seed=1)
    small, large = torch.full((1, 3, 32, 32), 0.4), torch.full((1, 3, 64, 48), 0.4)
    one = Objective.of(recipe, lite64, content, small.double())
    other = Objective.of(recipe, lite64, content, large.double())
    for key, term in one.style.items():
        theirs = other.style[key].target.products
        # Eleven convolutions and the products; small ones are as inexact as the largest.
        allowed = rounding(9 * 384, layers=11 + 2) * float(theirs.abs().max())
        torch.testing.assert_close(theirs, term.target.products, rtol=0, atol=allowed)


@pytest.mark.parametrize("size", [(32, 48), (37, 51), (63, 47)])
def test_positions_are_those_of_the_features(lite64: FeatureNetwork, size: tuple[int, int]) -> None:
    picture = batched(*size, seed=1)
    objective = Objective.of(Recipe(), lite64, picture, picture)
    features = lite64(picture, objective.layers)
    assert len(objective.style) == 5
    for key, term in objective.style.items():
        assert term.positions == features[key.layer][0, 0].numel()


def test_layers_run_from_shallow_to_deep(objective: Objective) -> None:
    assert objective.layers == ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


def test_layers_of_a_weight_of_zero_are_not_computed(
    lite64: FeatureNetwork, pictures: tuple[Tensor, Tensor]
) -> None:
    recipe = Recipe(style_weight=0, content_layers={"relu2_1": 1.0, "relu4_1": 0.0})
    objective = Objective.of(recipe, lite64, *pictures)
    assert objective.layers == ("relu2_1",)
    assert not objective.style


def test_total_variation_is_a_mean_over_pixels_and_channels(lite64: FeatureNetwork) -> None:
    content = batched(32, 48, seed=1)
    objective = Objective.of(Recipe(tv_weight=2.0), lite64, content, content)
    ramp = torch.linspace(0, 1, 48, dtype=torch.float64).expand(1, 3, 32, 48)
    terms = objective.loss_terms(objective.measure(lite64(ramp, objective.layers)), ramp).terms
    (tv,) = [term for term in terms if term.kind == "tv"]
    slope = 1 / 47
    by_hand = ((slope**2 + 0.01**2) ** 0.5 - 0.01) * 47 / 48
    allowed = rounding(3 * 32 * 48, condition=47)  # differences of 1 / 47 of numbers up to one
    assert tv.value == pytest.approx(by_hand, rel=allowed)
    assert tv.weighted == pytest.approx(2 * by_hand, rel=allowed)


def test_no_total_variation_is_taken_without_weight(objective: Objective) -> None:
    gradient = torch.zeros(1, 3, 4, 4)
    objective.add_pixel_grad(torch.rand(1, 3, 4, 4), gradient)
    assert not gradient.any()


def test_gram_of_another_width_is_refused_with_both_shapes(
    objective: Objective, pictures: tuple[Tensor, Tensor]
) -> None:
    grams = {TermKey("style", "relu1_1"): Moments(torch.zeros(3, 3, dtype=torch.float64))}
    with pytest.raises(ShapeError, match=r"relu1_1.*\(3, 3\).*\(64, 64\)"):
        objective.loss_terms(Statistics(grams, {}), pictures[0])


def test_unknown_layer_is_refused(lite64: FeatureNetwork, pictures: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(LayerError, match="'relu9_1'"):
        Objective.of(Recipe(content_layers={"relu9_1": 1.0}), lite64, *pictures)


def test_painting_too_small_is_refused(
    lite64: FeatureNetwork, pictures: tuple[Tensor, Tensor]
) -> None:
    with pytest.raises(SizeError, match="8 x 40 px is too small for relu5_1"):
        Objective.of(Recipe(), lite64, pictures[0], batched(40, 8, seed=2))


def test_targets_carry_no_graph(lite64: FeatureNetwork, pictures: tuple[Tensor, Tensor]) -> None:
    content, style = (picture.clone().requires_grad_() for picture in pictures)
    objective = Objective.of(BOTH, lite64, content, style)
    contents = [term.target for term in objective.content.values()]
    styles = [term.target.products for term in objective.style.values()]
    for target in (*contents, *styles):
        assert not target.requires_grad
