"""Crops to learn from: photographs, paintings and pictures that no camera takes.

The optimiser shows the network pictures on the way from noise to a painting, so a network that has
seen photographs alone is lost there. Every batch mixes crops at many scales with flips, changes of
contrast and colour, blends of two pictures and noise of every grain.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
HELD_OUT_EVERY = 40
"""Every 40th of the sorted photographs is never trained on."""
PAINTING_SHARE = 0.12
"""Crops of paintings for each crop of a photograph."""
LONGEST = 640
"""Larger pictures are reduced to this when read."""


def listed(folder: Path) -> list[Path]:
    """The pictures in a folder, sorted by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def training_photographs(folder: Path) -> list[Path]:
    """All photographs but every 40th."""
    return [path for index, path in enumerate(listed(folder)) if index % HELD_OUT_EVERY]


def held_out_photographs(folder: Path) -> list[Path]:
    """Every 40th photograph, for evaluation alone."""
    return listed(folder)[::HELD_OUT_EVERY]


def read(path: Path) -> Tensor:
    """(3, H, W) uint8."""
    with Image.open(path) as picture:
        rgb = picture.convert("RGB")
    rgb.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(rgb)).permute(2, 0, 1).contiguous()


def centre(path: Path, side: int) -> Tensor:
    """(1, 3, side, side) in [0, 1]: the shorter side brought to `side`, the middle cut out."""
    with Image.open(path) as picture:
        rgb = picture.convert("RGB")
    scale = side / min(rgb.size)
    rgb = rgb.resize([max(side, round(s * scale)) for s in rgb.size], Image.Resampling.LANCZOS)
    left, top = ((s - side) // 2 for s in rgb.size)
    square = np.array(rgb.crop((left, top, left + side, top + side)))
    return torch.from_numpy(square).permute(2, 0, 1)[None].float() / 255


class Crops:
    """An endless, seeded source of batches; its state is its generator's.

    Args:
        side: of the square crops, in pixels.
        seed: of everything random here.
    """

    def __init__(self, side: int, seed: int) -> None:
        self.groups: list[list[Tensor]] = []
        self.shares: list[float] = []
        self.side = side
        self.generator = torch.Generator().manual_seed(seed)

    def add(self, pictures: list[Tensor], share: float) -> None:
        """More pictures, each (3, H, W) uint8, which give this share of the crops."""
        self.groups.append(pictures)
        self.shares.append(share)

    def batch(self, count: int) -> Tensor:
        """(count, 3, side, side) float32, mostly in [0, 1] as an image under optimisation is."""
        crops = torch.stack([self._crop() for _ in range(count)])
        return self._spoil(crops).contiguous(memory_format=torch.channels_last)

    def _crop(self) -> Tensor:
        shares = torch.tensor(self.shares)
        group = self.groups[int(torch.multinomial(shares, 1, generator=self.generator))]
        picture = group[self._below(len(group))]
        height, width = picture.shape[1:]
        largest = min(height, width)
        taken = round(self.side * 2 ** self._uniform(-0.6, 1.2))
        taken = min(max(taken, 48), largest)
        top, left = self._below(height - taken + 1), self._below(width - taken + 1)
        crop = picture[:, top : top + taken, left : left + taken].float() / 255
        if taken != self.side:
            crop = F.interpolate(
                crop[None], (self.side, self.side), mode="bilinear", antialias=taken > self.side
            )[0]
        if self._below(2):
            crop = crop.flip(2)
        if not self._below(4):
            crop = crop.flip(1)
        if not self._below(4):
            crop = crop.transpose(1, 2)
        return crop

    def _spoil(self, crops: Tensor) -> Tensor:
        """Colour, blends and noise, for some of the crops."""
        out = []
        for index, crop in enumerate(crops):
            if self._uniform(0, 1) < 0.2:
                crop = crop[torch.randperm(3, generator=self.generator)]
            if self._uniform(0, 1) < 0.4:
                grey = crop.mean(0, keepdim=True)
                crop = grey + (crop - grey) * self._uniform(0, 2)
            if self._uniform(0, 1) < 0.4:
                mean = crop.mean()
                crop = mean + (crop - mean) * self._uniform(0.3, 1.7) + self._uniform(-0.2, 0.2)
            if self._uniform(0, 1) < 0.15:
                other = crops[(index + 1) % len(crops)]
                crop = torch.lerp(crop, other, self._uniform(0.2, 0.8))
            if self._uniform(0, 1) < 0.4:
                crop = crop + self._noise() * 10 ** self._uniform(-2, -0.4)
            if self._uniform(0, 1) < 0.9:  # the optimiser's picture may leave [0, 1] a little
                crop = crop.clamp(0, 1)
            out.append(crop)
        return torch.stack(out)

    def _noise(self) -> Tensor:
        """(3, side, side), unit deviation, of a random grain from one pixel to a quarter."""
        grain = 2 ** self._uniform(0, 4) if self._below(2) else 1.0
        coarse = max(4, round(self.side / grain))
        noise = torch.randn(1, 3, coarse, coarse, generator=self.generator)
        if self._below(2):  # grey noise as often as coloured
            noise = noise.mean(1, keepdim=True).expand(1, 3, -1, -1) * 3**0.5
        return F.interpolate(noise, (self.side, self.side), mode="bilinear")[0]

    def _below(self, bound: int) -> int:
        return int(torch.randint(bound, (), generator=self.generator))

    def _uniform(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=self.generator))
