"""The value and gradient of an objective at an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


class TermKey(NamedTuple):
    """Identifies a summand of a loss."""

    kind: str
    """"content", "style", one of `PIXEL_TERMS`, or "flicker"."""
    layer: str = ""
    """Empty for terms computed from the pixels."""
    region: str = ""
    """The region's colour in the mask, #rrggbb; empty for terms of the whole picture."""

    def __str__(self) -> str:
        """In words: "style relu1_1 #ffffff"."""
        return " ".join(filter(None, self))


@dataclass(frozen=True)
class Term:
    """One summand of a loss: its value in the recipe's units, and its weight."""

    kind: str
    layer: str
    value: float
    weight: float
    region: str = ""

    @property
    def key(self) -> TermKey:
        """The key of this summand."""
        return TermKey(self.kind, self.layer, self.region)

    @property
    def weighted(self) -> float:
        """The summand: weight times value."""
        return self.weight * self.value


@dataclass(frozen=True)
class Evaluation:
    """Value and gradient of an objective at an image."""

    loss: float
    terms: tuple[Term, ...]
    gradient: Tensor
    """(1, 3, H, W)."""


Evaluate = Callable[[Tensor], Evaluation]
"""Value and gradient of an objective at an image (1, 3, H, W)."""
