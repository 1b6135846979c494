"""Whose colours a picture shows: what the network sees, what is shown, and that it is the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import vangram
from tests.conftest import Outcome
from tests.support import drawn, prepared_level, relative_error, rounding
from vangram.errors import SettingError
from vangram.images import ColourStatistics, luminance_map, read_picture, resize, with_chroma
from vangram.objective import Evaluation
from vangram.objective.luminance import LuminanceOnly
from vangram.reports.explain import explain
from vangram.run import Run
from vangram.run.resized import resize_styles
from vangram.settings.recipe import Colour
from vangram.storage.tensors import IN_MEMORY

Command = Callable[..., Outcome]
MODES = get_args(Colour)
SINGLE = rounding(3, layers=3, dtype=torch.float32)
"""Maps of three channels, one after the other, in float32."""
SMALL: dict[str, Any] = {
    "size": 64,
    "steps": 4,
    "content_layers": {"relu3_1": 1.0},
    "style_layers": {"relu1_1": 0.5, "relu2_1": 0.5},
}


def last(run: Run) -> tuple[float, Tensor]:
    *_, step = run
    return step.loss, step.image


@pytest.mark.parametrize("colour", MODES)
def test_rerun_gives_the_same_bytes_in_any_colours(
    command: Command, photo: Path, painting: Path, tmp_path: Path, colour: Colour
) -> None:
    output = tmp_path / "out.png"
    words = ("--size", 48, "--steps", 2, "-q", "--colour", colour)
    assert command("stylize", photo, painting, "-o", output, *words).code == 0
    outcome = command("rerun", output)
    assert outcome.code == 0, outcome.err
    assert "the same bytes" in outcome.err
    vangram.stylize(photo, painting, size=48, steps=2, colour=colour).save(tmp_path / "two.png")
    assert output.read_bytes() == (tmp_path / "two.png").read_bytes()


def test_colours_are_different_pictures(photo: Path, painting: Path) -> None:
    made = [vangram.stylize(photo, painting, colour=colour, **SMALL).pixels for colour in MODES]
    for index, one in enumerate(made):
        for other in made[:index]:
            assert float((one - other).abs().max()) > 0.1


def test_luminance_is_the_images_and_chroma_the_photographs(photo: Path, painting: Path) -> None:
    run = Run.prepare(photo, painting, colour="luminance", init="noise", **SMALL)
    _, image = last(run)
    photograph = read_picture(photo).pixels
    wanted = with_chroma(image, photograph)
    assert torch.equal(run.painting(image).pixels, with_chroma(image.clamp(0, 1), photograph))
    assert float((wanted - image).abs().max()) > 0.1
    # Of a small image of any step as well.
    small = run.shown(resize(image, (24, 32)), (48, 64))
    chroma = small - luminance_map()(small) - (photograph - luminance_map()(photograph))
    assert float(chroma.abs().median()) < SINGLE  # some of the noise is out of gamut


def test_network_sees_luminance_alone(photo: Path, painting: Path) -> None:
    run = Run.prepare(photo, painting, colour="luminance", **SMALL)
    level = prepared_level(run)
    (painted,) = resize_styles(run.inputs, level.plan)
    assert level.inputs.content is not None
    for seen in (level.inputs.content, painted):
        assert float((seen - seen.mean(dim=1, keepdim=True)).abs().max()) < SINGLE
    engine = level.evaluate
    image = drawn(48, 64, seed=5)[None]
    one, other = engine(image), engine(luminance_map()(image))
    assert one.loss == pytest.approx(other.loss, rel=1e-5)  # float32
    assert relative_error(one.gradient, other.gradient) < 1e-3  # some maxima flip
    photograph = engine(read_picture(photo).pixels)
    (content,) = (term.value for term in photograph.terms if term.kind == "content")
    assert content < 1e-6 < other.terms[0].value


def test_luminance_gradient_is_autograds() -> None:
    target = torch.rand(1, 3, 5, 6, dtype=torch.float64)

    def loss(image: Tensor) -> Tensor:
        return ((image - target) ** 4).sum()

    def evaluate(image: Tensor) -> Evaluation:
        return Evaluation(float(loss(image)), (), 4 * (image - target) ** 3)

    image = torch.rand_like(target).requires_grad_()
    (wanted,) = torch.autograd.grad(loss(luminance_map()(image)), image)
    before = image.detach().clone()
    found = LuminanceOnly(evaluate, IN_MEMORY)(image)
    assert relative_error(found.gradient, wanted) < rounding(
        3, layers=8
    )  # three factors, and maps of three channels
    assert torch.equal(image.detach(), before)


def test_explained_loss_of_a_luminance_picture_is_the_runs(photo: Path, painting: Path) -> None:
    run = Run.prepare(photo, painting, colour="luminance", range_weight=0.0, **SMALL)
    loss, image = last(run)
    pixels = run.painting(image).pixels
    # What was clipped to black and white is the difference.
    assert explain(run, pixels).loss == pytest.approx(loss, rel=0.02)
    plain = Run.prepare(photo, painting, range_weight=0.0, **SMALL)
    assert explain(plain, pixels).loss != pytest.approx(loss, rel=0.02)


def test_painting_that_is_seen_has_the_photographs_mean_and_covariance(
    photo: Path, painting: Path
) -> None:
    run = Run.prepare(photo, painting, colour="match", **SMALL)
    (style,), (colours,) = run.inputs.pictures.styles, run.inputs.colours.styles
    assert colours is not None
    seen = colours(style.pixels)
    ours, wanted = ColourStatistics.of(seen), ColourStatistics.of(read_picture(photo).pixels)
    assert (ours.mean - wanted.mean).abs().max() < SINGLE
    assert (ours.covariance - wanted.covariance).abs().max() < SINGLE
    assert torch.equal(style.pixels, read_picture(painting).pixels)


def test_histogram_changes_nothing_but_the_end(photo: Path, painting: Path) -> None:
    plain, ours = (
        Run.prepare(photo, painting, colour=colour, **SMALL) for colour in ("style", "histogram")
    )
    (loss, image), (our_loss, our_image) = last(plain), last(ours)
    assert loss == our_loss
    assert torch.equal(image, our_image)
    pixels, photograph = ours.painting(image).pixels, read_picture(photo).pixels
    for share in (0.0, 0.1, 0.5, 0.9, 1.0):
        got, wanted = (each[0].flatten(1).quantile(share, dim=1) for each in (pixels, photograph))
        assert (got - wanted).abs().max() < 2 / 255  # pixels of equal value stay together


@pytest.mark.parametrize("colour", ["luminance", "match", "histogram"])
@pytest.mark.parametrize("dull", ["grey", "even"])
def test_grey_and_even_pictures_give_finite_ones(colour: Colour, dull: str) -> None:
    coloured = drawn(48, 64, seed=1)
    flat = coloured.mean(dim=0, keepdim=True).repeat(3, 1, 1)
    flat = flat if dull == "grey" else torch.full_like(flat, 0.4)
    for pictures in ((coloured, flat), (flat, coloured)):
        assert vangram.stylize(*pictures, colour=colour, **SMALL).pixels.isfinite().all()
    if dull == "grey":
        made = vangram.stylize(flat, coloured, colour=colour, **SMALL).pixels
        # No colour in the photograph, none in the result, but for match, whose gradient may differ
        # from channel to channel.
        limit = 0.1 if colour == "match" else 1e-3
        assert float((made.amax(dim=1) - made.amin(dim=1)).mean()) < limit


@pytest.mark.parametrize("colour", MODES)
def test_targets_in_tiles_are_the_whole_ones(photo: Path, painting: Path, colour: Colour) -> None:
    image = drawn(48, 64, seed=5)[None]
    whole, tiled = (
        Run.prepare(photo, painting, colour=colour, tile=tile, **SMALL) for tile in (None, 32)
    )
    for index in range(len(whole.plans)):
        ours, theirs = (prepared_level(run, index).objective for run in (tiled, whole))
        for key, style in theirs.style.items():
            found = ours.style[key].target.products
            assert relative_error(found, style.target.products) < 1e-5  # float32
        for key, content in theirs.content.items():
            assert relative_error(ours.content[key].target, content.target) < 1e-5
    one, other = (prepared_level(run).evaluate(image) for run in (whole, tiled))
    assert relative_error(other.gradient, one.gradient) < 1e-3  # some maxima flip in float32


@pytest.mark.parametrize("colour", ["match", "histogram"])
def test_transparent_pixels_have_no_colour(painting: Path, colour: Colour) -> None:
    levels = drawn(48, 64, seed=1).mul(255).byte().permute(1, 2, 0).numpy()
    alpha = np.full((48, 64, 1), 255, np.uint8)
    alpha[:, 32:] = 0

    def made(hidden: int) -> Tensor:
        pixels = levels.copy()
        pixels[:, 32:] = hidden
        picture = Image.fromarray(np.concatenate([pixels, alpha], axis=2))
        run = Run.prepare(picture, painting, colour=colour, **SMALL)
        if colour == "match":
            (seen,) = resize_styles(run.inputs, run.plans[-1])
            return seen
        return run.shown(drawn(48, 64, seed=7)[None], (48, 64))[..., :32]

    assert torch.equal(made(0), made(255))


@pytest.mark.parametrize("colour", ["luminance", "match", "histogram"])
def test_colours_of_a_photograph_need_both_pictures(
    photo: Path, painting: Path, colour: Colour
) -> None:
    for make, source in ((vangram.texture, painting), (vangram.reconstruct, photo)):
        with pytest.raises(SettingError, match="needs a photograph and a painting") as caught:
            make(source, colour=colour, size=64, steps=1)
        assert "\n" not in str(caught.value)


def test_preview_has_the_colours_of_the_picture(
    command: Command, photo: Path, painting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vangram.cli.side_images.SECONDS_BETWEEN_PREVIEWS", -1.0)
    seen: list[Tensor] = []
    written = "vangram.cli.side_images.write_picture"
    monkeypatch.setattr(written, lambda path, pixels, **how: seen.append(pixels))
    words = ("--size", 48, "--steps", 2, "--colour", "luminance", "-q")
    preview = ("--preview", tmp_path / "preview.png")
    outcome = command("stylize", photo, painting, "-o", tmp_path / "out.png", *words, *preview)
    assert outcome.code == 0, outcome.err
    photograph = resize(read_picture(photo).pixels, (36, 48))
    assert len(seen) == 3
    for pixels in seen:
        chroma = pixels - luminance_map()(pixels) - (photograph - luminance_map()(photograph))
        assert float(chroma.abs().median()) < SINGLE  # where it is in gamut
