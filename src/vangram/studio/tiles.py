"""A large picture in tiles, so that a browser need not hold all of it."""

from __future__ import annotations

import torch
from torch import Tensor

from vangram.images import fit, read_picture, resize
from vangram.studio.sizes import TILE

BYTES = 600_000_000
"""Most bytes of decoded pictures that are kept, besides the latest one."""


class Tiles:
    """Cache of decoded pictures at every level of magnification."""

    def __init__(self) -> None:
        self.kept: dict[str, list[Tensor]] = {}
        """Key -> levels, (1, 3, H, W) in uint8; the latest last."""

    def tile(self, path: str, key: str, level: int, column: int, row: int) -> Tensor | None:
        """A tile, (1, 3, h, w) in [0, 1]; None where there is none.

        Args:
            path: of the picture.
            key: changes when the file does.
            level: 0 for the picture itself; each next one has half the size.
            column: from the left.
            row: from the top.
        """
        levels = self.kept.pop(key, None) or _levels(path)
        self.kept[key] = levels
        while len(self.kept) > 1 and sum(t.numel() for p in self.kept.values() for t in p) > BYTES:
            del self.kept[next(iter(self.kept))]
        if level >= len(levels):
            return None
        part = levels[level][
            ..., row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE
        ]
        return part.float() / 255 if part.numel() else None


def on_white(pixels: Tensor, alpha: Tensor | None) -> Tensor:
    """A picture composed over white."""
    return pixels if alpha is None else pixels * alpha + (1 - alpha)


def _levels(path: str) -> list[Tensor]:
    picture = read_picture(path)
    pixels = on_white(picture.pixels, picture.alpha)
    levels = [_bytes(pixels)]
    while max(pixels.shape[-2:]) > TILE:
        height, width = pixels.shape[-2:]
        pixels = resize(pixels, (-(-height // 2), -(-width // 2)))
        levels.append(_bytes(pixels))
    return levels


def _bytes(pixels: Tensor) -> Tensor:
    return (pixels.clamp(0, 1) * 255 + 0.5).to(torch.uint8)


def thumbnail(pixels: Tensor, alpha: Tensor | None, longer_side: int) -> Tensor:
    """A picture on white, within a square."""
    seen = on_white(pixels, alpha)
    height, width = seen.shape[-2:]
    return resize(seen, fit((height, width), longer_side, enlarge=False))
