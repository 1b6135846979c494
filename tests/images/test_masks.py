"""Masks: which colours and alphas mark regions, how soft edges are shared, what is no mask."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from tests.support import drawn
from vangram.errors import SettingError
from vangram.images import Picture, Regions, keep_mask, read_picture
from vangram.images import regions as regions_of

RED, GREEN, BLUE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
WHITE, BLACK = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)


def flat(*colours: tuple[float, float, float], width: int = 8) -> Tensor:
    """Stripes of colours, each `width` wide."""
    stripes = torch.tensor(colours).T.repeat_interleave(width, dim=1)
    return stripes[None, :, None].expand(1, 3, 10, -1).clone()


def picture(pixels: Tensor, alpha: Tensor | None = None) -> Picture:
    return Picture(pixels, alpha, exif=None, sha256=None, name="m.png")


def regions(pixels: Tensor, alpha: Tensor | None = None) -> Regions:
    return regions_of(picture(pixels, alpha))


def shares(found: Regions) -> dict[str, float]:
    return dict(zip(found.names, found.shares, strict=True))


def test_flat_colours_are_regions_from_bright_to_dark() -> None:
    found = regions(flat(BLACK, RED, WHITE))
    assert found.colours == (WHITE, RED, BLACK)
    for index, stripe in enumerate((2, 1, 0)):
        wanted = torch.zeros(10, 24)
        wanted[:, stripe * 8 : stripe * 8 + 8] = 1
        assert torch.equal(found.weights[index], wanted)


def test_soft_edge_is_shared_in_proportion() -> None:
    mask = flat(WHITE, BLACK, width=30)
    mask[..., 28:32] = torch.tensor([0.8, 0.6, 0.4, 0.2])
    found = regions(mask)
    assert found.colours == (WHITE, BLACK)
    # Rounding of float32.
    torch.testing.assert_close(
        found.weights[0, 0, 28:32], torch.tensor([0.8, 0.6, 0.4, 0.2]), rtol=0, atol=1e-6
    )


def test_edge_between_two_colours_is_no_part_of_a_third() -> None:
    mask = flat(RED, GREEN, BLUE, width=40)
    mask[0, :, :, 40] = torch.tensor([0.5, 0.5, 0.0])[:, None]
    found = regions(mask)
    shares = dict(zip(found.colours, found.weights[:, 0, 40].tolist(), strict=True))
    assert shares == pytest.approx({RED: 0.5, GREEN: 0.5, BLUE: 0.0}, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_weights_add_up_to_one_for_any_few_colours(seed: int) -> None:
    mask = (drawn(4, 5, seed)[None] * 2).round() / 2
    mask = mask.repeat_interleave(10, dim=2).repeat_interleave(10, dim=3)
    found = regions(mask + 0.1 * (drawn(40, 50, seed)[None] > 0.98))
    total = found.weights.sum(0)
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-5)
    assert float(found.weights.min()) >= 0
    assert len(found.names) > 2


def test_noise_of_jpeg_makes_no_region() -> None:
    generator = torch.Generator().manual_seed(1)
    mask = flat(WHITE, BLACK, width=30)
    noisy = (mask + 0.03 * (torch.rand(mask.shape, generator=generator) - 0.5)).clamp(0, 1)
    found = regions(noisy)
    assert len(found.colours) == 2
    assert float((found.weights - regions(mask).weights).abs().max()) < 0.1


def test_gradient_runs_from_its_brightest_to_its_darkest() -> None:
    mask = torch.linspace(0, 1, 256).expand(1, 3, 4, 256)
    found = regions(mask)
    assert found.colours == (WHITE, BLACK)
    torch.testing.assert_close(found.weights[0, 0], mask[0, 0, 0], rtol=0, atol=1e-2)


def test_one_colour_is_one_region() -> None:
    found = regions(flat(RED))
    assert found.colours == (RED,)
    assert bool((found.weights == 1).all())
    generator = torch.Generator().manual_seed(1)
    noisy = flat(RED) + 0.03 * torch.rand(1, 3, 10, 8, generator=generator)
    assert len(regions(noisy.clamp(0, 1)).colours) == 1


def test_gradient_beside_a_flat_colour_ends_in_its_extreme() -> None:
    mask = flat(WHITE, WHITE, width=256)
    mask[..., 256:] = torch.linspace(1, 0, 256)
    assert regions(mask).colours == (WHITE, BLACK)


def test_regions_match_those_of_nearly_their_colour() -> None:
    found = regions(flat(RED, BLUE, WHITE))
    assert found.names == ("#ffffff", "#0000ff", "#ff0000")
    others = regions(flat((0.97, 0.02, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 0.98)))
    assert others.names == ("#f70500", "#0000fa", "#008000")
    assert found.matches(others) == {1: 1, 2: 0}
    assert others.matches(found) == {0: 2, 1: 1}


def test_labels_match_exactly() -> None:
    labels = [(value / 255,) * 3 for value in (0, 1, 2, 3)]
    found, fewer = regions(flat(*labels)), regions(flat(labels[1], labels[3]))
    assert found.names == ("#030303", "#020202", "#010101", "#000000")
    assert found.matches(fewer) == {0: 0, 2: 1}
    assert regions(flat(labels[2])).matches(found) == {0: 1}


@pytest.mark.parametrize("depth", [255, 65535])
def test_label_map_of_small_numbers_has_a_region_each(depth: int) -> None:
    found = regions(flat(*[(value / depth,) * 3 for value in range(5)]))
    assert len(set(found.names)) == 5
    assert bool(((found.weights == 0) | (found.weights == 1)).all())
    assert found.shares == pytest.approx([0.2] * 5)


def disc(width: int = 192, height: int = 128, radius: int = 40) -> Image.Image:
    mask = Image.new("L", (width, height))
    box = (80 - radius, 64 - radius, 80 + radius, 64 + radius)
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return mask


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_region_of_one_percent_is_there(kind: str, tmp_path: Path) -> None:
    mask = Image.new("RGB", (192, 128))
    mask.paste((255, 255, 255), (100, 0, 192, 128))
    mask.paste((255, 0, 0), (20, 20, 37, 35))  # 1.04 %
    # With the colours in full, so that JPEG's edges are a pixel or two wide.
    mask.save(tmp_path / "m", kind, quality=90, subsampling=0)
    found = regions_of(read_picture(tmp_path / "m"))
    assert sorted(found.shares)[0] == pytest.approx(0.0104, rel=0.1)
    assert len(found.names) == 3


def alpha_mask(colour: tuple[int, int, int], tmp_path: Path) -> Picture:
    mask = Image.new("RGBA", (192, 128), (*colour, 0))
    mask.putalpha(disc())
    mask.save(tmp_path / "m.png")
    return read_picture(tmp_path / "m.png")


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (200, 30, 60)])
def test_alpha_alone_separates_two_regions(colour: tuple[int, int, int], tmp_path: Path) -> None:
    wanted = torch.from_numpy(np.array(disc(), dtype=np.float32) / 255)
    mask = alpha_mask(colour, tmp_path)
    found = regions_of(mask)
    assert found.names == ("#" + bytes(colour).hex(), "transparent")
    assert torch.equal(found.weights, torch.stack((wanted, 1 - wanted)))
    assert torch.equal(keep_mask(mask).pixels, wanted.expand(1, 3, -1, -1))


def test_cutout_of_a_photograph_is_its_silhouette() -> None:
    alpha = torch.from_numpy(np.array(disc(), dtype=np.float32) / 255)[None, None]
    found = regions(photograph(128, 192), alpha)
    assert found.names == ("opaque", "transparent")
    assert torch.equal(found.weights[0], alpha[0, 0])


def test_colours_beside_transparency_are_regions_and_hidden_ones_are_not() -> None:
    mask, alpha = flat(RED, BLUE, GREEN), torch.ones(1, 1, 10, 24)
    alpha[..., 16:] = 0
    found = regions(mask, alpha)
    assert shares(found) == pytest.approx(
        {"#ff0000": 1 / 3, "#0000ff": 1 / 3, "transparent": 1 / 3}
    )
    mask[..., 16:] = torch.rand(3, 10, 8)
    assert torch.equal(regions(mask, alpha).weights, found.weights)


def test_mask_of_what_is_kept_must_keep_a_part(tmp_path: Path) -> None:
    assert float(keep_mask(picture(flat(WHITE, BLACK))).pixels.mean()) == 0.5
    dark = (1 / 255,) * 3
    for pixels in (flat(WHITE), flat(BLACK), flat(BLACK, dark), flat(BLACK, RED)):
        with pytest.raises(SettingError, match=r"^the mask 'm\.png' keeps [\d.]+% .*; it has #"):
            keep_mask(picture(pixels))
    note = keep_mask(alpha_mask((0, 0, 0), tmp_path)).notes[-1]
    assert note.endswith("m.png' keeps 20.9% of the photograph")


def photograph(height: int, width: int, seed: int = 0, grain: float = 0.02) -> Tensor:
    """A synthetic photograph: sums of smooth noise of all scales, as natural images have, shaded.

    Its power falls with the square of the frequency (Field 1987).
    """
    generator = np.random.default_rng(seed)
    down, right = np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij")
    falling = 1 / np.maximum(np.hypot(down, right), 1 / max(height, width))
    phases = np.exp(2j * np.pi * generator.random((3, height, width)))
    noise = np.fft.ifft2(falling * phases).real
    shared = noise.mean(0) + 0.3 * noise
    spread = (shared - shared.mean()) / shared.std() * 0.2 + 0.5
    spread += grain * generator.standard_normal(spread.shape)
    levels = (spread.clip(0, 1) * 255).round() / 255
    return torch.from_numpy(levels).float()[None]


def refused(pixels: Tensor) -> None:
    for read in (regions_of, keep_mask):
        with pytest.raises(SettingError, match="is it a photograph"):
            read(picture(pixels))


@pytest.mark.parametrize(("size", "seed"), [((96, 128), 0), ((384, 256), 1), ((600, 800), 2)])
def test_photograph_is_no_mask_in_colour_and_in_grey(size: tuple[int, int], seed: int) -> None:
    pixels = photograph(*size, seed)
    refused(pixels)
    refused(pixels.mean(1, keepdim=True).expand(-1, 3, -1, -1))
    # On white, as goods are shown, and as JPEG.
    pixels[..., : size[1] // 2] = 1
    refused(pixels)
    levels = (pixels[0] * 255).round().byte().permute(1, 2, 0).numpy()
    with io.BytesIO() as file:
        Image.fromarray(levels).save(file, "JPEG", quality=75)
        refused(read_picture(Image.open(file)).pixels)


def test_many_flat_colours_are_no_mask() -> None:
    generator = torch.Generator().manual_seed(1)
    refused(flat(*[(r, g, b) for r, g, b in torch.rand(40, 3, generator=generator).tolist()]))


@pytest.mark.parametrize("blur", [0, 1, 3, 10, 40])
@pytest.mark.parametrize("quality", [None, 75, 50])
def test_soft_masks_in_any_format_are_masks(blur: int, quality: int | None) -> None:
    mask = disc(400, 300, 60)
    mask = mask.filter(ImageFilter.GaussianBlur(blur)) if blur else mask
    with io.BytesIO() as file:
        mask.save(file, "PNG" if quality is None else "JPEG", quality=quality or 0)
        found = regions_of(read_picture(Image.open(file)))
    assert len(found.names) == 2
    wanted = torch.from_numpy(np.array(mask, dtype=np.float32) / 255)
    # JPEG's noise, and the extremes that a blur has left.
    assert float((found.weights[0] - wanted).abs().mean()) < (0.02 if blur < 40 else 0.2)


def test_matte_with_fine_detail_is_a_mask() -> None:
    rough = photograph(300, 400, grain=0).mean(1)
    mask = ((rough - rough.median()) * 20 + 0.5).clamp(0, 1).expand(1, 3, -1, -1)
    found = regions(mask)
    assert found.names == ("#ffffff", "#000000")
    torch.testing.assert_close(found.weights[0], mask[0, 0], rtol=0, atol=1e-5)


CASES = Path(__file__).parents[3] / "shared" / "cases"


@pytest.mark.skipif(not CASES.exists(), reason="the inputs that once failed are not here")
@pytest.mark.parametrize(
    ("name", "count", "least"),
    [
        ("m_alpha_white", 2, 0.2),
        ("m_alpha_black", 2, 0.2),
        ("m_012", 3, 0.2),
        ("m_small3", 3, 0.011),
    ],
)
def test_masks_that_once_were_misread(name: str, count: int, least: float) -> None:
    found = regions_of(read_picture(CASES / f"{name}.png"))
    assert len(found.names) == count
    assert sorted(found.shares)[0] > least
