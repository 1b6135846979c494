"""The colours that the page paints masks with, as the program reads them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

import vangram
from vangram.images import read_picture, regions

LAYERS = Path(vangram.__file__).parent / "studio" / "static" / "layers.js"
NONE = (0, 0, 0)


def colours() -> list[tuple[int, int, int]]:
    """Colours of the paintings' regions, the first painting's first."""
    found = re.search(r"COLOURS = (\[.*\]);", LAYERS.read_text(encoding="utf-8"))
    assert found is not None
    return [(r, g, b) for r, g, b in json.loads(found[1])]


@pytest.mark.parametrize("radius", [0, 8])
@pytest.mark.parametrize("count", range(1, 8))
def test_painted_regions_are_read_in_the_order_of_the_paintings(
    tmp_path: Path, count: int, radius: int
) -> None:
    used = [*colours()[:count], NONE]
    mask = Image.new("RGB", (60 * len(used), 200))
    for index, colour in enumerate(used):
        mask.paste(colour, (60 * index, 0, 60 * index + 60, 200))
    mask.filter(ImageFilter.GaussianBlur(radius)).save(tmp_path / "mask.png")
    names = regions(read_picture(tmp_path / "mask.png")).names
    assert list(names) == ["#{:02x}{:02x}{:02x}".format(*colour) for colour in used]
