"""Regions: what a mask says is what is painted, whole and in tiles, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

import vangram
from tests.conftest import Outcome
from tests.support import batched, drawn, prepared_level, relative_error, rounding
from vangram.engines import TiledEngine, WholeEngine
from vangram.errors import SettingError
from vangram.images import read_picture, read_recipe
from vangram.losses import Moments
from vangram.networks import FeatureNetwork
from vangram.objective import Objective
from vangram.objective.targets import Region, layer_weights
from vangram.run import Run
from vangram.run.resized import resize_regions
from vangram.settings.recipe import Recipe
from vangram.settings.record import Record
from vangram.storage.tensors import IN_MEMORY

Command = Callable[..., Outcome]
LAYERS = {"relu1_1": 0.5, "relu3_1": 0.5}
SMALL: dict[str, Any] = {"size": 64, "steps": 3, "style_layers": LAYERS}
LOSSES = ["gram", "gram+moments", "wasserstein"]
ROUNDING = rounding(9 * 384, layers=2 * 13)
"""Thirteen convolutions, forward and backward, with sums over at most 384 channels."""
ROOTED = 1e3 * ROUNDING
"""The same, with inverse roots of eigenvalues of a thousandth of the largest (`BLUR`)."""


@pytest.fixture
def halves(tmp_path: Path) -> Path:
    """A mask of the photograph: white on the left, black on the right, with a soft edge."""
    return mask(tmp_path / "halves.png", 64, 48)


@pytest.fixture
def third(saved: Callable[..., Path]) -> Path:
    return saved("third.png", 40, 60, seed=7)


def mask(path: Path, width: int, height: int) -> Path:
    across = torch.linspace(2, -1, width).clamp(0, 1)
    levels = (across * 255).round().byte().expand(height, width).contiguous()
    Image.fromarray(levels.numpy()).save(path)
    return path


def soft(height: int, width: int) -> Tensor:
    return torch.linspace(2, -1, width, dtype=torch.float64).clamp(0, 1).expand(1, 1, height, width)


def regions(one: Tensor, paintings: list[Tensor]) -> list[Region]:
    """Two regions that make up the picture, and a painting for each."""
    whole = [torch.ones(1, 1, *p.shape[2:], dtype=torch.float64) for p in paintings]
    return [
        Region("#ffffff", one, (whole[0], None)),
        Region("#000000", 1 - one, (None, soft(*paintings[1].shape[2:]))),
    ]


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("size", [(48, 64), (45, 71)])
def test_tiled_gradient_with_regions_equals_whole(
    narrow: FeatureNetwork, size: tuple[int, int], kind: str
) -> None:
    content, image = batched(*size, seed=1), batched(*size, seed=3)
    paintings = [batched(48, 40, seed=2), batched(40, 60, seed=7)]
    recipe = Recipe.from_dict({"style_loss": kind, "content_layers": {"relu3_1": 1.0}})
    goal = Objective.of(recipe, narrow, content, paintings, regions=regions(soft(*size), paintings))
    assert len(goal.style) == 10
    whole, tiled = WholeEngine(narrow, goal)(image), TiledEngine(narrow, goal, 16)(image)
    allowed = ROOTED if kind == "wasserstein" else ROUNDING
    assert relative_error(tiled.gradient, whole.gradient) < allowed
    assert tiled.loss == pytest.approx(whole.loss, rel=allowed)


@pytest.mark.parametrize("kind", LOSSES)
def test_gradient_with_regions_is_autograds(narrow: FeatureNetwork, kind: str) -> None:
    size = (32, 48)
    paintings = [batched(48, 40, seed=2), batched(40, 60, seed=7)]
    recipe = Recipe.from_dict(
        {"style_loss": kind, "content_weight": 0.0, "tv_weight": 0.0, "style_layers": LAYERS}
    )
    goal = Objective.of(
        recipe, narrow, None, paintings, size=size, regions=regions(soft(*size), paintings)
    )
    image = batched(*size, seed=3).requires_grad_()
    loss = image.new_zeros(())
    features = narrow(image, list(LAYERS))
    for key, term in goal.style.items():
        f, w = features[key.layer][0], term.guide
        assert w is not None
        products = torch.einsum("chw,dhw,hw->cd", f, f, w)
        sums = torch.einsum("chw,hw->c", f, w)
        moments = Moments(products, sums)
        share = float(w.sum()) / w.numel()
        weight = recipe.style_weight * LAYERS[key.layer] * share / term.normaliser
        loss = loss + weight * term.loss.value(moments, float(w.sum()))
    (wanted,) = torch.autograd.grad(loss, image)
    found = WholeEngine(narrow, goal)(image)
    assert found.loss == pytest.approx(float(loss.detach()), rel=ROOTED)
    # Autograd divides by differences of eigenvalues, some of which are nearly equal.
    assert relative_error(found.gradient, wanted) < (1e-6 if kind == "wasserstein" else ROUNDING)


def test_mask_of_one_region_is_no_mask(lite64: FeatureNetwork) -> None:
    content, painting = batched(48, 64, seed=1), batched(56, 48, seed=2)
    image, recipe = batched(48, 64, seed=3), Recipe(style_layers=LAYERS)
    ones = [torch.ones(1, 1, *p.shape[2:], dtype=torch.float64) for p in (content, painting)]
    everything = Region("#ffffff", ones[0], (ones[1],))
    plain = Objective.of(recipe, lite64, content, painting)
    masked = Objective.of(recipe, lite64, content, painting, regions=[everything])
    one, other = (WholeEngine(lite64, goal)(image) for goal in (plain, masked))
    assert one.loss == pytest.approx(other.loss, rel=ROUNDING)
    assert relative_error(other.gradient, one.gradient) < ROUNDING


def test_regions_style_does_not_change_with_another_regions(lite64: FeatureNetwork) -> None:
    content, image = batched(64, 160, seed=1), batched(64, 160, seed=3)
    first = batched(48, 40, seed=2)
    left = torch.zeros(1, 1, 64, 160, dtype=torch.float64)
    left[..., :64] = 1
    recipe = Recipe(style_layers={"relu1_1": 0.5, "relu2_1": 0.5})
    gradients = []
    for seed in (7, 8):
        paintings = [first, batched(40, 60, seed)]
        goal = Objective.of(recipe, lite64, content, paintings, regions=regions(left, paintings))
        gradients.append(WholeEngine(lite64, goal)(image).gradient)
    reach = lite64.topology.reach("relu2_1")
    assert torch.equal(gradients[0][..., : 64 - reach], gradients[1][..., : 64 - reach])
    assert not torch.equal(gradients[0][..., 64:], gradients[1][..., 64:])


def test_layer_weights_are_means_of_what_a_position_covers(lite64: FeatureNetwork) -> None:
    weights = torch.rand(1, 1, 21, 37, dtype=torch.float64)
    found = layer_weights(weights, lite64.topology, ["relu1_1", "relu3_1"])
    assert torch.equal(found["relu1_1"], weights[0, 0])
    assert tuple(found["relu3_1"].shape) == (6, 10)
    torch.testing.assert_close(found["relu3_1"][1, 2], weights[0, 0, 4:8, 8:12].mean())
    torch.testing.assert_close(found["relu3_1"][5, 9], weights[0, 0, 20:, 36:].mean())


def test_region_too_small_for_a_layer_has_no_style_there(lite64: FeatureNetwork) -> None:
    weights = torch.zeros(1, 1, 48, 64, dtype=torch.float64)
    weights[..., 10:14, 20:26] = 1  # more than a position of relu3_1, less than one of relu4_1
    painting = batched(56, 48, seed=2)
    small = Region("#ffffff", weights, (torch.ones(1, 1, 56, 48, dtype=torch.float64),))
    goal = Objective.of(Recipe(), lite64, batched(48, 64, seed=1), painting, regions=[small])
    assert {key.layer for key in goal.style} == {"relu1_1", "relu2_1", "relu3_1"}
    assert torch.isfinite(WholeEngine(lite64, goal)(batched(48, 64, seed=3)).gradient).all()


def test_brightest_region_takes_the_first_painting_and_what_is_left_none(
    photo: Path, painting: Path, third: Path, halves: Path
) -> None:
    run = Run.prepare(photo, painting, third, mask=halves, **SMALL)
    assert [region.name for region in run.inputs.regions] == ["#ffffff", "#000000"]
    assert [[p is not None for p in g.parts] for g in run.inputs.regions] == [
        [True, False],
        [False, True],
    ]
    alone = Run.prepare(photo, painting, mask=halves, **SMALL)
    assert [region.name for region in alone.inputs.regions] == ["#ffffff"]


def test_regions_take_what_has_their_colour_in_the_paintings_masks(
    photo: Path, painting: Path, halves: Path, tmp_path: Path
) -> None:
    theirs = mask(tmp_path / "theirs.png", 48, 56)
    run = Run.prepare(photo, painting, mask=halves, style_masks=[theirs], **SMALL)
    white, black = run.inputs.regions
    assert white.parts[0] is not None
    assert black.parts[0] is not None
    torch.testing.assert_close(white.parts[0] + black.parts[0], torch.ones(1, 1, 56, 48))
    assert float(white.parts[0][..., 0].min()) == 1


def test_kept_pixels_are_the_photographs(photo: Path, painting: Path, halves: Path) -> None:
    photograph = read_picture(photo).pixels
    for init in ("content", "noise"):
        result = vangram.stylize(photo, painting, keep=halves, init=init, **SMALL).pixels
        assert torch.equal(result[..., :20], photograph[..., :20])
        assert float((result - photograph)[..., 44:].abs().max()) > 0.1


def test_kept_gradient_is_autograds(photo: Path, painting: Path, halves: Path) -> None:
    run = Run.prepare(photo, painting, keep=halves, **SMALL)
    level = prepared_level(run)
    plain = WholeEngine(run.network, level.objective)
    image = drawn(48, 64, seed=5)[None]
    kept = read_picture(halves).pixels.mean(1, keepdim=True)
    mixed = image + kept * (read_picture(photo).pixels - image)
    found, wanted = level.evaluate(image), plain(mixed)
    assert found.loss == pytest.approx(wanted.loss, rel=1e-5)  # float32
    # Where a maximum is decided the other way, float32 differs by more than rounding.
    assert relative_error(found.gradient, wanted.gradient * (1 - kept)) < 1e-3


@pytest.mark.parametrize("tile", [None, 32])
def test_command_paints_regions_and_makes_them_again(
    command: Command, photo: Path, painting: Path, third: Path, halves: Path, tmp_path: Path,
    tile: int | None,
) -> None:  # fmt: skip
    output = tmp_path / "out.png"
    words: list[object] = ["--size", 48, "--steps", 2, "-q", "--mask", halves, "--keep", halves]
    words += ["--tile", tile] if tile else []
    outcome = command("stylize", photo, painting, third, "-o", output, *words)
    assert outcome.code == 0, outcome.err
    text = read_recipe(output)
    assert text is not None
    names = [str(name) for name, _ in Record.from_json(text).inputs.named()]
    assert names == ["content", "style", "style 2", "mask", "keep"]
    outcome = command("rerun", output)
    assert outcome.code == 0, outcome.err
    assert "the same bytes" in outcome.err
    outcome = command("explain", output)
    assert outcome.code == 0, outcome.err
    assert "style relu1_1 #ffffff" in outcome.out
    halves.rename(tmp_path / "moved.png")
    outcome = command("rerun", output, "--force")
    assert outcome.code == 2
    assert "--mask" in outcome.err


def refusal(command: Command, *words: object) -> str:
    outcome = command("stylize", *words)
    assert outcome.code == 2, outcome.err
    (line,) = outcome.err.splitlines()
    return line


def test_masks_that_do_not_fit_are_refused(
    command: Command, photo: Path, painting: Path, third: Path, halves: Path, tmp_path: Path
) -> None:
    out = ("-o", tmp_path / "out.png")
    tall = mask(tmp_path / "tall.png", 40, 60)
    assert "same shape" in refusal(command, photo, painting, *out, "--mask", tall)
    assert "same shape" in refusal(command, photo, painting, *out, "--keep", tall)
    fit = mask(tmp_path / "fit.png", 48, 56)
    line = refusal(command, photo, painting, *out, "--style-mask", fit)
    assert "--mask" in line
    both = ("--mask", halves, "--style-mask", fit)
    assert "each painting" in refusal(command, photo, painting, third, *out, *both)
    three = refusal(command, photo, painting, third, third, *out, "--mask", halves)
    assert "2 regions for 3 paintings" in three
    red = torch.zeros(56, 48, 3, dtype=torch.uint8)
    red[..., 0] = 255
    Image.fromarray(red.numpy()).save(fit)
    assert "#ff0000" in refusal(command, photo, painting, *out, *both)


def test_mask_of_another_size_is_resized_with_a_note(
    command: Command, photo: Path, painting: Path, tmp_path: Path
) -> None:
    large = mask(tmp_path / "large.png", 128, 96)
    words = ("--size", 48, "--steps", 1, "--mask", large)
    outcome = command("stylize", photo, painting, "-o", tmp_path / "out.png", *words)
    assert outcome.code == 0, outcome.err
    assert "resized" in outcome.err


def test_mask_without_a_photograph_is_refused(painting: Path, halves: Path) -> None:
    with pytest.raises(SettingError, match="mask is one of a photograph"):
        vangram.texture(painting, keep=halves, size=64)


def test_regions_live_where_the_run_is(photo: Path, painting: Path, halves: Path) -> None:
    run = Run.prepare(photo, painting, mask=halves, **SMALL)
    assert run.plans[-1].storage is IN_MEMORY
    (region,) = resize_regions(run.inputs, run.plans[-1])
    assert tuple(region.weights.shape) == (1, 1, 48, 64)


def test_regions_found_are_told_before_the_start(
    command: Command, photo: Path, painting: Path, halves: Path, tmp_path: Path
) -> None:
    theirs = mask(tmp_path / "theirs.png", 48, 56)
    out = ("-o", tmp_path / "out.png", "--size", 48, "--steps", 1)
    outcome = command("stylize", photo, painting, *out, "--mask", halves, "--keep", halves)
    assert outcome.code == 0, outcome.err
    keep, regions = outcome.err.splitlines()[:2]
    assert keep == f"vangram: note: the mask {str(halves)!r} keeps 50.0% of the photograph"
    assert regions == (
        f"vangram: note: the mask {str(halves)!r} has 2 regions: #ffffff 50.0% ({str(painting)!r}),"
        " #000000 50.0% (no painting)"
    )
    masks = ("--mask", halves, "--style-mask", theirs, "--force")
    outcome = command("stylize", photo, painting, *out, *masks)
    assert outcome.code == 0, outcome.err
    regions, style = outcome.err.splitlines()[:2]
    assert regions.endswith(f"#000000 50.0% ({str(painting)!r})")
    assert style.endswith(f"of {str(painting)!r} has #ffffff 50.0%, #000000 50.0%")


@pytest.mark.parametrize("level", [0, 255])
def test_mask_of_one_region_is_refused_with_what_was_found(
    command: Command, photo: Path, painting: Path, tmp_path: Path, level: int
) -> None:
    Image.new("L", (64, 48), level).save(tmp_path / "m.png")
    out = ("-o", tmp_path / "out.png")
    line = refusal(command, photo, painting, *out, "--mask", tmp_path / "m.png")
    assert f"has one region, #{bytes([level] * 3).hex()} 100.0%" in line
    line = refusal(command, photo, painting, *out, "--keep", tmp_path / "m.png")
    assert f"keeps {level / 255:.1%} of the photograph" in line


def test_photograph_is_refused_as_any_mask(
    command: Command, photo: Path, painting: Path, tmp_path: Path
) -> None:
    out, halves = ("-o", tmp_path / "out.png"), mask(tmp_path / "halves.png", 64, 48)
    for words in (
        ("--mask", photo),
        ("--keep", photo),
        ("--mask", halves, "--style-mask", painting),
    ):
        assert "is it a photograph" in refusal(command, photo, painting, *out, *words)


@pytest.mark.parametrize("level", [0, 255])
def test_mask_in_alpha_is_its_opaque_part(
    photo: Path, painting: Path, tmp_path: Path, level: int
) -> None:
    alpha = Image.new("L", (64, 48))
    alpha.paste(255, (8, 8, 40, 40))
    transparent = Image.merge("LA", (Image.new("L", (64, 48), level), alpha))
    transparent.save(tmp_path / "m.png")
    run = Run.prepare(photo, painting, mask=tmp_path / "m.png", **SMALL)
    (region,) = run.inputs.regions
    assert region.name == f"#{bytes([level] * 3).hex()}"
    assert float(region.weights.sum()) == 32 * 32
    kept = vangram.stylize(photo, painting, keep=tmp_path / "m.png", **SMALL).pixels
    same = (kept == read_picture(photo).pixels).all(1)[0]
    assert bool(same[8:40, 8:40].all())
    assert float(same.float().mean()) < 0.5
