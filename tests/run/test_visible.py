"""What is transparent does not count: results do not depend on hidden colours, to the bit."""

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
from tests.support import drawn
from vangram.errors import PictureError, SettingError
from vangram.run import Run
from vangram.run.resized import resize_alphas, resize_regions, resize_styles

Command = Callable[..., Outcome]
SMALL: dict[str, Any] = {
    "size": 64,
    "steps": 3,
    "levels": 2,
    "init": "content",
    "content_layers": {"relu3_1": 1.0},
    "style_layers": {"relu1_1": 0.5, "relu3_1": 0.5},
}
MAGENTA, BLACK = (1.0, 0.0, 1.0), (0.0, 0.0, 0.0)


def levels(pixels: Tensor) -> Image.Image:
    """An 8-bit image of (3, H, W)."""
    return Image.fromarray(pixels.mul(255).round().byte().permute(1, 2, 0).contiguous().numpy())


def hidden(height: int, width: int, colour: tuple[float, ...], seed: int = 1) -> Image.Image:
    """A picture, visible within a disc with a soft edge, and one colour behind the rest."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    away = ((rows - height / 2) ** 2 + (columns - width / 2) ** 2).sqrt() / min(height, width)
    alpha = (6 - 12 * away).clamp(0, 1)
    pixels = torch.where(alpha > 0, drawn(height, width, seed), torch.tensor(colour)[:, None, None])
    image = levels(pixels)
    image.putalpha(Image.fromarray(alpha.mul(255).byte().numpy()))
    return image


def margins(height: int, width: int, colour: tuple[float, ...] | None) -> Image.Image:
    """A picture, and a transparent margin right of its left half; None: that half alone."""
    pixels, half = drawn(height, width, seed=2), width // 2
    if colour is None:
        return levels(pixels[..., :half])
    pixels[..., half:] = torch.tensor(colour)[:, None, None]
    image, alpha = levels(pixels), Image.new("L", (width, height), 0)
    alpha.paste(255, (0, 0, half, height))
    image.putalpha(alpha)
    return image


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"tile": 32},
        {"init": "noise", "colour": "match"},
        {"colour": "luminance"},
        {"colour": "histogram"},
        {"style_loss": "wasserstein"},
        {"normalise": True, "network": "vgg19-lite", "pooling": "average"},
    ],
    ids=str,
)
def test_hidden_colours_of_a_photograph_change_nothing(
    painting: Path, settings: dict[str, Any]
) -> None:
    one, other = (
        vangram.stylize(hidden(48, 64, colour), painting, **SMALL | settings)
        for colour in (BLACK, MAGENTA)
    )
    assert torch.equal(one.pixels, other.pixels)
    assert one.alpha is not None
    assert other.alpha is not None
    assert torch.equal(one.alpha, other.alpha)


@pytest.mark.parametrize("tile", [None, 32])
def test_hidden_colours_of_a_painting_change_nothing(photo: Path, tile: int | None) -> None:
    one, other = (
        vangram.stylize(photo, hidden(64, 64, colour), tile=tile, **SMALL)
        for colour in (BLACK, MAGENTA)
    )
    assert torch.equal(one.pixels, other.pixels)
    whole = vangram.stylize(photo, hidden(64, 64, BLACK).convert("RGB"), tile=tile, **SMALL)
    assert not torch.equal(one.pixels, whole.pixels)


def test_painting_with_transparent_margins_has_the_style_of_the_crop(photo: Path) -> None:
    crop, *others = (
        vangram.stylize(photo, margins(56, 96, colour), **SMALL)
        for colour in (None, BLACK, MAGENTA)
    )
    for other in others:
        assert torch.equal(other.pixels, crop.pixels)


def test_texture_of_a_painting_with_margins_is_that_of_the_crop() -> None:
    crop, *others = (
        vangram.texture(margins(56, 96, colour), size=56, steps=2) for colour in (None, MAGENTA)
    )
    for other in others:
        assert torch.equal(other.pixels, crop.pixels)


def test_hidden_colours_of_a_start_and_of_frames_change_nothing(painting: Path) -> None:
    content = hidden(48, 64, BLACK)
    one, other = (
        vangram.stylize(content, painting, start=hidden(48, 64, colour, seed=3),
                        **SMALL | {"init": "picture"})
        for colour in (BLACK, MAGENTA)
    )  # fmt: skip
    assert torch.equal(one.pixels, other.pixels)
    one, other = (
        vangram.stylize(
            hidden(48, 64, colour), painting, before=hidden(48, 64, colour, seed=3),
            before_frame=hidden(48, 64, colour), **SMALL | {"init": "before"},
        )
        for colour in (BLACK, MAGENTA)
    )  # fmt: skip
    assert torch.equal(one.pixels, other.pixels)


def test_kept_pixels_show_no_hidden_colours(painting: Path, tmp_path: Path) -> None:
    mask = Image.new("L", (64, 48), 0)
    mask.paste(255, (0, 0, 40, 48))
    one, other = (
        vangram.stylize(hidden(48, 64, colour), painting, keep=mask, **SMALL)
        for colour in (BLACK, MAGENTA)
    )
    assert torch.equal(one.pixels, other.pixels)


def test_masks_of_a_painting_with_margins_are_cropped_with_it(photo: Path) -> None:
    mask = Image.new("L", (64, 48), 0)
    mask.paste(255, (0, 0, 30, 48))
    for across in (96, 192):  # the mask's own width, with the painting's proportions
        theirs = Image.new("L", (across, across * 56 // 96), 0)
        theirs.paste(255, (0, 0, across // 4, theirs.height))
        given: dict[str, Any] = {"mask": mask, "style_masks": [theirs]}
        whole = Run.prepare(photo, margins(56, 96, BLACK), **SMALL, **given)
        half = theirs.crop((0, 0, across // 2, theirs.height))
        crop = Run.prepare(photo, margins(56, 96, None), **SMALL, **given | {"style_masks": [half]})
        plan = whole.plans[-1]
        assert resize_alphas(whole.inputs, plan) == [None]
        for one, other in zip(*(resize_styles(r.inputs, plan) for r in (whole, crop)), strict=True):
            assert torch.equal(one, other)
        pairs = zip(*(resize_regions(r.inputs, plan) for r in (whole, crop)), strict=True)
        for ours, theirs_cropped in pairs:
            (part,), (wanted,) = ours.parts, theirs_cropped.parts
            assert part is not None
            assert wanted is not None
            assert torch.equal(part, wanted)


def test_transparent_inputs_are_told(
    command: Command, photo: Path, painting: Path, tmp_path: Path
) -> None:
    cut, style = tmp_path / "cut.png", tmp_path / "style.png"
    hidden(48, 64, BLACK).save(cut)
    margins(56, 96, BLACK).save(style)
    words = ("--size", 48, "--steps", 1, "-o", tmp_path / "out.png")
    outcome = command("stylize", cut, style, *words)
    assert outcome.code == 0, outcome.err
    assert f"note: {str(cut)!r} is partly transparent: what is hidden does not" in outcome.err
    assert f"note: {str(style)!r} is partly transparent: its visible part" in outcome.err
    outcome = command("stylize", photo, painting, *words, "--force")
    assert "transparent" not in outcome.err


def test_picture_without_a_visible_pixel_is_refused(photo: Path, painting: Path) -> None:
    nothing = Image.new("RGBA", (48, 48), (255, 0, 255, 0))
    for inputs in ((nothing, painting), (photo, nothing)):
        with pytest.raises(PictureError, match="transparent everywhere"):
            Run.prepare(*inputs, **SMALL)


def test_painting_with_too_little_to_see_is_refused(photo: Path) -> None:
    faint = levels(drawn(48, 48, seed=2))
    alpha = Image.new("L", (48, 48), 0)
    for corner in ((0, 0), (47, 47)):
        alpha.putpixel(corner, 1)
    faint.putalpha(alpha)
    with pytest.raises(SettingError, match="too little"):
        vangram.stylize(photo, faint, **SMALL)
