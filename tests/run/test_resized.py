"""Pictures at a level's size: each is resized once, and none while the level is computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from vangram.run import Run
from vangram.run.memory import MemoryModel

TWO_LEVELS: dict[str, Any] = {
    "levels": 2,
    "content_layers": {"relu2_1": 1.0},
    "style_layers": {"relu1_1": 1.0},
}


@pytest.fixture
def resized(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tensor, int]]:
    """Each picture that is resized, and its new width."""
    calls: list[tuple[Tensor, int]] = []
    interpolate = functional.interpolate

    def counted(pixels: Tensor, size: tuple[int, int], **more: Any) -> Tensor:
        if more.get("antialias"):  # those of the optimiser's grids are not
            calls.append((pixels, size[1]))
        return interpolate(pixels, size=size, **more)

    monkeypatch.setattr(functional, "interpolate", counted)
    return calls


def test_every_picture_is_resized_once_a_level(
    resized: list[tuple[Tensor, int]], saved: Callable[..., Path]
) -> None:
    photo, painting = saved("large.png", 96, 128, seed=1), saved("painted.png", 120, 100, seed=2)
    keep = Image.new("L", (128, 96))
    keep.paste(255, (0, 0, 64, 96))
    run = Run.prepare(photo, painting, keep=keep, size=64, steps=8, **TWO_LEVELS)
    *steps, last = run
    assert [step.level.number for step in (steps[0], last)] == [1, 2]
    # Photograph, painting and mask at each level; the image and the photograph of the first level
    # at the second one's size.
    assert sorted(width for _, width in resized) == [27, 32, 32, 53, 64, 64, 64, 64]
    given = run.inputs.pictures
    assert given.content is not None
    photograph = given.content.pixels
    widths = [width for pixels, width in resized if torch.equal(pixels, photograph)]
    assert widths == [32, 64]


def test_levels_are_planned_once_and_before_the_start(
    photo: Path, painting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, int]] = []
    begin = MemoryModel.__init__

    def counted(self: MemoryModel, size: tuple[int, int], *more: Any) -> None:
        sizes.append(size)
        begin(self, size, *more)

    monkeypatch.setattr(MemoryModel, "__init__", counted)
    run = Run.prepare(photo, painting, size=64, steps=4, **TWO_LEVELS)
    assert sizes == [(24, 32), (48, 64)]
    *_, step = run
    run.expected_seconds()
    run.painting(step.image)
    assert len(sizes) == 2
