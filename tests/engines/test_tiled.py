"""The tiled engine against the whole one: the same value, the same gradient, whatever the tiles."""

from __future__ import annotations

import copy

import pytest
import torch

from tests.support import batched, he_initialised, relative_error, rounding
from vangram.engines import TiledEngine, WholeEngine
from vangram.networks import FeatureNetwork, ForwardPass, tiles
from vangram.networks.registry import VGG19
from vangram.networks.tiles import Core, grid
from vangram.objective import Evaluation, Objective
from vangram.settings.recipe import Recipe

ROUNDING = rounding(9 * 384, layers=2 * 13)
"""Thirteen convolutions, forward and backward, with sums over at most 384 channels."""
ROOTED = 1e3 * ROUNDING
"""The same, with inverse roots of eigenvalues of a thousandth of the largest (`BLUR`)."""
SIZES = [(96, 96), (101, 170), (64, 163)]
"""Multiples of the deepest stride, 16, and not."""


def objective(network: FeatureNetwork, size: tuple[int, int], **settings: object) -> Objective:
    recipe = Recipe.from_dict({"tv_weight": 0.1, **settings})
    return Objective.of(recipe, network, batched(*size, seed=1), batched(70, 90, seed=2))


def assert_same(tiled: Evaluation, whole: Evaluation, allowed: float = ROUNDING) -> None:
    assert tiled.loss == pytest.approx(whole.loss, rel=allowed)
    for ours, theirs in zip(tiled.terms, whole.terms, strict=True):
        assert ours.layer == theirs.layer
        assert ours.value == pytest.approx(theirs.value, rel=allowed)
    assert relative_error(tiled.gradient, whole.gradient) < allowed


@pytest.mark.parametrize("units", ["relative", "paper"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("core", [16, 48, 64])  # the first two are smaller than the halo, 80
def test_tiled_gradient_equals_whole(
    narrow: FeatureNetwork, size: tuple[int, int], core: int, units: str
) -> None:
    image = batched(*size, seed=3)
    goal = objective(narrow, size, units=units)
    assert_same(TiledEngine(narrow, goal, core)(image), WholeEngine(narrow, goal)(image))


@pytest.mark.parametrize("size", SIZES)
def test_tiled_gradient_equals_whole_with_reflected_edges(
    lite64: FeatureNetwork, size: tuple[int, int]
) -> None:
    image = batched(*size, seed=3)
    goal = objective(lite64, size)
    assert_same(TiledEngine(lite64, goal, 48)(image), WholeEngine(lite64, goal)(image))


@pytest.mark.parametrize("style_loss", ["gram+moments", "wasserstein"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["narrow", "lite64"])
def test_tiled_gradient_equals_whole_with_every_style_loss(
    name: str, size: tuple[int, int], style_loss: str, request: pytest.FixtureRequest
) -> None:
    network: FeatureNetwork = request.getfixturevalue(name)
    image = batched(*size, seed=3)
    goal = objective(network, size, style_loss=style_loss)
    tiled, whole = TiledEngine(network, goal, 48)(image), WholeEngine(network, goal)(image)
    assert_same(tiled, whole, ROOTED if style_loss == "wasserstein" else ROUNDING)


CORES = pytest.mark.parametrize("core", [48, 64, (64, 100)], ids=str)
SINGLE = rounding(9 * 512, layers=2 * 13, dtype=torch.float32)


@CORES
@pytest.mark.parametrize("name", ["vgg19-lite", "vgg19"])
def test_tiled_gradient_in_float32_is_close(
    name: str, core: Core, lite: FeatureNetwork, full_width: FeatureNetwork
) -> None:
    network = lite
    if name == "vgg19":
        network = copy.deepcopy(full_width)
        network.winograd = False  # with Winograd, see below
    image, content, style = (batched(165, 230, seed=seed).float() for seed in (3, 1, 2))
    goal = Objective.of(Recipe(), network, content, style)
    tiled, whole = TiledEngine(network, goal, core)(image), WholeEngine(network, goal)(image)
    assert relative_error(tiled.gradient, whole.gradient) < SINGLE


@CORES
def test_features_of_tiles_by_winograd_equal_the_whole(
    core: Core, full_width: FeatureNetwork
) -> None:
    # At a seam Winograd's tiles see other values than in the whole picture, which cancel but for
    # rounding. In some pictures a ReLU of a deep layer opens for that, which features hardly show:
    # gradients then differ by up to 1e-3, as they do between float32 and float64.
    image, layers = batched(165, 230, seed=3).float(), Recipe().layers
    size, topology = (165, 230), full_width.topology
    whole = ForwardPass(full_width, image, layers, keep=False).features
    for tile in grid(size, core, topology, layers):
        windows = tile.windows(layers, topology)
        part = ForwardPass.of_tile(full_width, image, layers, tile, keep=False)
        for layer, features in part.features.items():
            rows, columns = windows[layer]
            assert relative_error(features, whole[layer][:, :, rows, columns]) < SINGLE


@pytest.fixture(scope="module")
def full_width() -> FeatureNetwork:
    """VGG-19 as far as relu5_1, parameters by chance."""
    return he_initialised(VGG19.up_to(["relu5_1"])).float()


def test_halo_one_stride_short_is_detected(
    narrow: FeatureNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (160, 160)
    image, goal = batched(*size, seed=3), objective(narrow, size)
    whole = WholeEngine(narrow, goal)(image)
    enough = tiles.halo
    monkeypatch.setattr(tiles, "halo", lambda *given: enough(*given) - 16)
    short = TiledEngine(narrow, goal, 32)(image)
    assert relative_error(short.gradient, whole.gradient) > 100 * ROUNDING


def test_image_is_not_changed(narrow: FeatureNetwork) -> None:
    image = batched(96, 96, seed=3)
    before = image.clone()
    TiledEngine(narrow, objective(narrow, (96, 96)), 48)(image)
    assert torch.equal(image, before)
    assert not image.requires_grad
