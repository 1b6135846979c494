"""Crops that the teacher has seen before, with its deep targets: most of its time saved."""

from __future__ import annotations

import torch
from torch import Tensor


class Replay:
    """The last crops with their targets, in half precision, drawn from at random.

    Args:
        capacity: crops to keep; older ones are overwritten.
        seed: of what is drawn.
    """

    def __init__(self, capacity: int, seed: int) -> None:
        self.capacity = capacity
        self.generator = torch.Generator().manual_seed(seed)
        self.added = 0
        self.stored: dict[str, Tensor] = {}

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    def add(self, crops: Tensor, targets: dict[str, Tensor]) -> None:
        """Keep a batch.

        Args:
            crops: (B, 3, H, W).
            targets: layer -> (B, C, h, w).
        """
        for index in range(len(crops)):
            place = self.added % self.capacity
            for name, value in ({"crop": crops} | targets).items():
                if name not in self.stored:
                    shape = (self.capacity, *value.shape[1:])
                    self.stored[name] = torch.empty(shape, dtype=torch.float16)
                self.stored[name][place] = value[index]
            self.added += 1

    def draw(self, count: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Crops (B, 3, H, W) float32 and their targets, float16; fewer where not so many are kept.

        Args:
            count: B.
        """
        places = torch.randint(
            max(len(self), 1), (min(count, len(self)),), generator=self.generator
        )
        drawn = {name: value[places] for name, value in self.stored.items()}
        return drawn.pop("crop").float(), drawn
