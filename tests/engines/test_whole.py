"""The whole-picture engine against the literal formulas under plain autograd, in float64."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from tests.oracle import Truth, truth
from tests.support import NARROW_VGG19, batched, he_initialised, relative_error, rounding
from vangram.engines import WholeEngine
from vangram.networks import FeatureNetwork, Topology
from vangram.networks.registry import VGG19_LITE
from vangram.objective import Evaluation, Objective
from vangram.settings.recipe import Recipe, Units

# Sixteen convolutions, forward and backward, of 512 channels; a residual G − A of a tenth of G.
EXACT = rounding(9 * 512, layers=2 * 16, condition=10)

FIVE = {f"relu{block}_1": 0.2 for block in range(1, 6)}
UNEVEN = {"relu1_1": 0.7, "relu2_1": 0.3, "relu3_1": 1.5, "relu4_1": 0.25, "relu5_1": 2.0}


@dataclass(frozen=True)
class Case:
    """A recipe and the sizes that it is taken at."""

    recipe: Recipe
    size: tuple[int, int] = (32, 48)
    style_size: tuple[int, int] = (40, 36)


CASES = {
    "default": Case(Recipe()),
    "paper's layers": Case(
        Recipe(content_layers={"relu4_2": 1.0}, style_layers=FIVE, content_weight=0.3)
    ),
    "one layer is both": Case(
        Recipe(content_layers={"relu3_1": 2.0, "relu4_1": 0.5}, style_layers=UNEVEN)
    ),
    "total variation": Case(Recipe(tv_weight=0.7, style_layers=UNEVEN)),
    "sizes no multiple of 16": Case(Recipe(style_layers=UNEVEN), (37, 51), (43, 34)),
    "content alone": Case(Recipe(style_weight=0, style_layers={})),
    "style alone": Case(Recipe(content_weight=0, content_layers={}, style_layers=UNEVEN)),
    "gram+moments": Case(Recipe(style_loss="gram+moments", style_layers=UNEVEN)),
    "wasserstein": Case(Recipe(style_loss="wasserstein", style_layers=UNEVEN)),
}


def both(
    case: Case, network: FeatureNetwork, units: Units, engine_recipe: Recipe | None = None
) -> tuple[Evaluation, Truth]:
    """What the engine finds, and what is true."""
    recipe = case.recipe.replace(units=units)
    content, style = batched(*case.size, seed=1), batched(*case.style_size, seed=2)
    image = batched(*case.size, seed=3)
    used = recipe if engine_recipe is None else engine_recipe.replace(units=units)
    objective = Objective.of(used, network, content, style)
    before = image.clone()
    found = WholeEngine(network, objective)(image)
    assert torch.equal(image, before)
    assert not image.requires_grad
    return found, truth(recipe, network, content, style, image)


def assert_equal(found: Evaluation, true: Truth) -> None:
    assert found.gradient.dtype == torch.float64
    assert found.gradient.shape == true.gradient.shape
    assert relative_error(found.gradient, true.gradient) < EXACT
    assert found.loss == pytest.approx(true.loss, rel=EXACT)
    assert {(term.kind, term.layer) for term in found.terms} == set(true.terms)
    for term in found.terms:
        # Relative to the term itself, which is a difference of like numbers and never tiny here.
        assert term.value == pytest.approx(true.terms[term.kind, term.layer], rel=EXACT)


@pytest.mark.parametrize(
    ("name", "units"), [("one layer is both", "relative"), ("sizes no multiple of 16", "paper")]
)
def test_whole_gradient_of_vgg19_equals_the_literal_formulas(
    vgg19: FeatureNetwork, name: str, units: Units
) -> None:
    found, true = both(CASES[name], vgg19, units)
    assert_equal(found, true)


@pytest.mark.parametrize("units", ["relative", "paper"])
@pytest.mark.parametrize("name", CASES)
def test_whole_gradient_of_a_narrow_vgg19_equals_the_literal_formulas(
    narrow: FeatureNetwork, name: str, units: Units
) -> None:
    found, true = both(CASES[name], narrow, units)
    assert_equal(found, true)


@pytest.mark.parametrize("units", ["relative", "paper"])
@pytest.mark.parametrize("name", [name for name in CASES if name != "paper's layers"])
def test_whole_gradient_of_lite_equals_the_literal_formulas(
    lite64: FeatureNetwork, name: str, units: Units
) -> None:
    found, true = both(CASES[name], lite64, units)
    assert_equal(found, true)


@pytest.mark.parametrize("layer", NARROW_VGG19.layers)
def test_paper_gradient_at_every_layer_equals_the_literal_formulas(
    layer: str,
) -> None:
    network = he_initialised(NARROW_VGG19, seed=5, dead_from=0.5)
    recipe = Recipe(
        content_layers={layer: 1.0}, style_layers={layer: 1.0}, style_weight=3.0, tv_weight=0
    )
    found, true = both(Case(recipe), network, "paper")
    assert_equal(found, true)


@pytest.mark.parametrize("units", ["relative", "paper"])
@pytest.mark.parametrize("topology", [NARROW_VGG19, VGG19_LITE], ids=["vgg19", "lite"])
def test_whole_gradient_with_dead_channels_equals_the_literal_formulas(
    topology: Topology, units: Units
) -> None:
    network = he_initialised(topology, seed=5, dead_from=0.5)
    features = network(batched(32, 48, seed=3), FIVE)
    for layer, values in features.items():
        dead = network.topology.width(layer) // 2
        assert not values[:, dead:].any(), layer
        assert values[:, :dead].any(), layer
    found, true = both(CASES["one layer is both"], network, units)
    assert_equal(found, true)


@pytest.mark.parametrize("units", ["relative", "paper"])
@pytest.mark.parametrize(
    "change",
    [
        {"content_weight": 1.01},
        {"style_weight": 10.1},
        {"tv_weight": 0.7 * 1.01},
        {"content_layers": {"relu4_1": 1.01}},
        {"style_layers": UNEVEN | {"relu1_1": 0.7 * 1.01}},
        {"style_layers": UNEVEN | {"relu5_1": 2.0 * 1.01}},
        {"style_loss": "gram+moments"},
        {"style_loss": "wasserstein"},
    ],
    ids=lambda change: "-".join(change),
)
def test_whole_gradient_with_a_weight_off_by_a_percent_is_detected(
    lite64: FeatureNetwork, units: Units, change: dict[str, object]
) -> None:
    case = CASES["total variation"]
    wrong = Recipe.from_dict(case.recipe.to_dict() | change)
    found, true = both(case, lite64, units, engine_recipe=wrong)
    if units == "paper" and "tv_weight" in change:
        # The literal sums outweigh a mean by so much that the loss alone shows nothing.
        assert {term.weight for term in found.terms if term.kind == "tv"} == {0.7 * 1.01}
        return
    assert relative_error(found.gradient, true.gradient) > EXACT
    assert found.loss != pytest.approx(true.loss, rel=EXACT)


def test_whole_gradient_with_an_unscaled_style_target_is_detected(
    lite64: FeatureNetwork,
) -> None:
    case = CASES["style alone"]
    content, image = batched(*case.size, seed=1), batched(*case.size, seed=3)
    style = batched(*case.style_size, seed=2)
    cropped = style[..., :-8, :]
    found = WholeEngine(lite64, Objective.of(case.recipe, lite64, content, cropped))(image)
    true = truth(case.recipe, lite64, content, style, image)
    assert relative_error(found.gradient, true.gradient) > EXACT


def test_whole_gradient_agrees_with_finite_differences(lite64: FeatureNetwork) -> None:
    recipe = Recipe(tv_weight=0.5)
    content, style = batched(32, 48, seed=1), batched(40, 36, seed=2)
    engine = WholeEngine(lite64, Objective.of(recipe, lite64, content, style))
    image = batched(32, 48, seed=3)
    generator = torch.Generator().manual_seed(4)
    direction = torch.randn(image.shape, generator=generator, dtype=torch.float64)
    step = 1e-7
    ahead, behind = engine(image + step * direction), engine(image - step * direction)
    slope = (ahead.loss - behind.loss) / (2 * step)
    found = float((engine(image).gradient * direction).sum())
    # A few ReLUs and maxima change sides within the step; between kinks the error is step squared.
    assert found == pytest.approx(slope, rel=1e-3)


def test_whole_engine_in_float32_is_close_to_float64(
    lite: FeatureNetwork, lite64: FeatureNetwork
) -> None:
    content, style = batched(48, 64, seed=1), batched(40, 36, seed=2)
    image = batched(48, 64, seed=3)
    exact = WholeEngine(lite64, Objective.of(Recipe(), lite64, content, style))(image)
    single = WholeEngine(lite, Objective.of(Recipe(), lite, content.float(), style.float()))(
        image.float()
    )
    # Rounding of 1e-7 through eleven convolutions, with a few maxima decided the other way.
    assert single.loss == pytest.approx(exact.loss, rel=1e-4)
    assert relative_error(single.gradient.double(), exact.gradient) < 1e-2


def test_whole_engine_takes_every_memory_layout(lite64: FeatureNetwork) -> None:
    content, style = batched(32, 48, seed=1), batched(40, 36, seed=2)
    engine = WholeEngine(lite64, Objective.of(Recipe(), lite64, content, style))
    image: Tensor = batched(32, 48, seed=3)
    innermost = engine(image.to(memory_format=torch.channels_last))
    assert relative_error(innermost.gradient, engine(image).gradient) < EXACT
    assert innermost.gradient.is_contiguous()
