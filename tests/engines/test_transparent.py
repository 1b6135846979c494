"""Transparent pixels do not count: both engines against the weighted formulas under autograd."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.oracle import truth
from tests.support import batched, relative_error, rounding
from vangram.engines import TiledEngine, WholeEngine
from vangram.networks import FeatureNetwork
from vangram.objective import Objective
from vangram.settings.recipe import Recipe, StyleLossName, Units

SIZE, STYLE_SIZE = (37, 51), (43, 34)
LAYERS = {"relu1_1": 0.7, "relu2_1": 0.3, "relu3_1": 1.5}
RECIPE = Recipe(content_layers={"relu2_1": 2.0, "relu3_1": 0.5}, style_layers=LAYERS, tv_weight=0.7)
# Five convolutions of up to 32 channels, forward and backward; a residual G − A of a tenth of G.
EXACT = rounding(9 * 32, layers=2 * 5, condition=10)
# Inverse roots of eigenvalues of a thousandth of the largest: `BLUR`.
ROOTED = 1e3 * EXACT


def alpha(size: tuple[int, int], seed: int) -> Tensor:
    """Opaque, transparent and in between, (1, 1, H, W)."""
    return (2 * batched(*size, seed)[:, :1] - 0.5).clamp(0, 1)


@pytest.mark.parametrize("tile", [None, 16])
@pytest.mark.parametrize("units", ["relative", "paper"])
@pytest.mark.parametrize("style_loss", ["gram", "gram+moments", "wasserstein"])
def test_gradient_with_alpha_equals_the_weighted_formulas(
    narrow: FeatureNetwork, style_loss: StyleLossName, units: Units, tile: int | None
) -> None:
    recipe = RECIPE.replace(style_loss=style_loss, units=units)
    content, image = batched(*SIZE, seed=1), 1.4 * batched(*SIZE, seed=3) - 0.2
    style = batched(*STYLE_SIZE, seed=2)
    visible, painted = alpha(SIZE, 4), alpha(STYLE_SIZE, 5)
    for weights in (visible, painted):
        assert 0.05 < float((weights == 0).double().mean()) < 0.5
        assert 0.05 < float((weights == 1).double().mean()) < 0.5
    goal = Objective.of(recipe, narrow, content, style, visible=visible, alphas=[painted])
    engine = WholeEngine(narrow, goal) if tile is None else TiledEngine(narrow, goal, tile)
    found = engine(image)
    true = truth(recipe, narrow, content, style, image, visible, painted)
    allowed = ROOTED if style_loss == "wasserstein" else EXACT
    assert relative_error(found.gradient, true.gradient) < allowed
    assert found.loss == pytest.approx(true.loss, rel=allowed)
    assert {(term.kind, term.layer) for term in found.terms} == set(true.terms)
    for term in found.terms:
        assert term.value == pytest.approx(true.terms[term.kind, term.layer], rel=allowed)
    for other in ((None, painted), (visible, None)):
        wrong = truth(recipe, narrow, content, style, image, *other)
        assert relative_error(found.gradient, wrong.gradient) > 1e-3


@pytest.mark.parametrize("tile", [None, 16])
def test_alpha_of_ones_changes_nothing(narrow: FeatureNetwork, tile: int | None) -> None:
    content, style, image = (batched(*SIZE, seed=seed) for seed in (1, 2, 3))
    ones = torch.ones_like(content[:, :1])
    plain = Objective.of(RECIPE, narrow, content, style)
    weighted = Objective.of(RECIPE, narrow, content, style, visible=ones, alphas=[ones])
    engines = (
        WholeEngine(narrow, goal) if tile is None else TiledEngine(narrow, goal, tile)
        for goal in (plain, weighted)
    )
    one, other = (engine(image) for engine in engines)
    assert other.loss == pytest.approx(one.loss, rel=EXACT)
    assert relative_error(other.gradient, one.gradient) < EXACT


def test_pixels_beyond_the_reach_of_visible_ones_have_no_gradient(narrow: FeatureNetwork) -> None:
    size = (48, 160)
    content, image = batched(*size, seed=1), 1.4 * batched(*size, seed=3) - 0.2
    visible = torch.zeros(1, 1, *size, dtype=torch.float64)
    visible[..., :48] = 1
    goal = Objective.of(RECIPE, narrow, content, batched(40, 36, seed=2), visible=visible)
    reach = 48 + narrow.topology.reach("relu3_1") + 1  # the total variation's
    for engine in (WholeEngine(narrow, goal), TiledEngine(narrow, goal, 32)):
        gradient = engine(image).gradient
        assert not gradient[..., reach:].any()
        assert gradient[..., :48].all()


def test_region_shares_are_of_the_visible_part(narrow: FeatureNetwork) -> None:
    goal = Objective.of(
        RECIPE, narrow, batched(*SIZE, seed=1), batched(40, 36, seed=2), visible=alpha(SIZE, 4)
    )
    for key, term in goal.style.items():
        assert term.weight == pytest.approx(RECIPE.style_weight * LAYERS[key.layer])
        assert term.positions < narrow.topology.positions(SIZE, key.layer)
