"""Paints our own style pictures: one module per picture, on a shared canvas and brush."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from . import curl_field, hatching, pointillism, stained_glass, woodblock

# Each paints its picture, given the length of the longer side in pixels.
PAINTERS: dict[str, Callable[[int], Image.Image]] = {
    "curl-field": curl_field.paint,
    "stained-glass": stained_glass.paint,
    "hatching": hatching.paint,
    "pointillism": pointillism.paint,
    "woodblock": woodblock.paint,
}
