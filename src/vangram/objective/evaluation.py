"""An objective at an image: the loss, its terms and its gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


class TermKey(NamedTuple):
    """Which summand of a loss."""

    kind: str
    """"content", "style", one of `PIXEL_TERMS`, or "flicker"."""
    layer: str = ""
    """Empty for terms that are taken on the pixels."""
    region: str = ""
    """The region's colour in the mask, #rrggbb; empty for terms of the whole picture."""

    def __str__(self) -> str:
        """In words: "style relu1_1 #ffffff"."""
        return " ".join(filter(None, self))


@dataclass(frozen=True)
class Term:
    """One summand of a loss: `value` in the recipe's units, and the weight it counts with."""

    kind: str
    layer: str
    value: float
    weight: float
    region: str = ""

    @property
    def key(self) -> TermKey:
        """Which summand it is."""
        return TermKey(self.kind, self.layer, self.region)

    @property
    def weighted(self) -> float:
        """What the term adds to the loss."""
        return self.weight * self.value


@dataclass(frozen=True)
class Evaluation:
    """An objective at an image: the loss, its terms and the gradient (1, 3, H, W)."""

    loss: float
    terms: tuple[Term, ...]
    gradient: Tensor


Evaluate = Callable[[Tensor], Evaluation]
"""An image (1, 3, H, W) to the objective's value and gradient there."""
