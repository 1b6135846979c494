"""Draw the masks: `python examples/masks/draw.py`."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

HERE = Path(__file__).parent


def sky() -> Image.Image:
    """The rocket's sky in white, its ground in black, with a soft edge at the horizon."""
    mask = Image.new("L", (640, 427), 255)
    ImageDraw.Draw(mask).rectangle((0, 330, 640, 427), fill=0)
    return mask.filter(ImageFilter.GaussianBlur(18))


def face() -> Image.Image:
    """The cat's face from brow to chin in white."""
    mask = Image.new("L", (451, 300), 0)
    ImageDraw.Draw(mask).ellipse((110, 60, 370, 290), fill=255)
    return mask.filter(ImageFilter.GaussianBlur(12))


if __name__ == "__main__":
    sky().save(HERE / "rocket-sky.png", optimize=True)
    face().save(HERE / "cat-face.png", optimize=True)
