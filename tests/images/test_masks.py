"""Masks: which colours name regions, how soft edges are shared, what is no mask."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.support import drawn
from vangram.errors import SettingError
from vangram.images.masks import regions

RED, GREEN, BLUE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
WHITE, BLACK = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)


def flat(*colours: tuple[float, float, float], width: int = 8) -> Tensor:
    """Stripes of colours, each `width` wide."""
    stripes = torch.tensor(colours).T.repeat_interleave(width, dim=1)
    return stripes[None, :, None].expand(1, 3, 10, -1).clone()


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
def test_weights_add_up_to_one_for_any_picture_with_few_colours(seed: int) -> None:
    mask = (drawn(40, 50, seed)[None] * 2).round() / 2
    try:
        found = regions(mask)
    except SettingError:
        return
    total = found.weights.sum(0)
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-5)
    assert float(found.weights.min()) >= 0


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


def test_region_is_found_by_a_colour_that_is_nearly_its_own() -> None:
    found = regions(flat(RED, BLUE))
    near = found.of((0.97, 0.02, 0.0))
    assert near is not None
    assert torch.equal(near, found.weights[found.colours.index(RED)])
    assert found.of(GREEN) is None


def test_photograph_is_no_mask() -> None:
    generator = torch.Generator().manual_seed(1)
    colours = torch.rand(40, 3, generator=generator).tolist()
    with pytest.raises(SettingError, match="is it a photograph"):
        regions(flat(*map(tuple, colours)))
