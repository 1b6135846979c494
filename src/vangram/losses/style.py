"""The style losses by name: each a function of the image's moments and the painting's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from vangram.losses.gram import GramStyle
from vangram.losses.mean_std import GramMomentsStyle
from vangram.losses.moments import Moments, MomentsGrad
from vangram.losses.wasserstein import WassersteinStyle


class StyleLoss(Protocol):
    """How far an image's moments at a layer are from a painting's; zero where they agree."""

    def value(self, image: Moments, positions: float) -> Tensor:
        """The literal formula, fit for autograd.

        Args:
            image: moments, summed over the whole picture's positions.
            positions: M = H * W of the whole layer.

        Returns:
            A float64 scalar.
        """

    def value_and_grad(
        self, image: Moments, positions: float, weight: float
    ) -> tuple[Tensor, MomentsGrad]:
        """The value, and the slope of the value times a weight; args as `value`."""


class _Kind(Protocol):
    """A class of style losses."""

    needs_sums: bool
    """Whether its moments need sums."""

    def __call__(self, target: Moments) -> StyleLoss:
        """The distance from a painting's moments per position."""


STYLE_LOSSES: Mapping[str, _Kind] = {
    "gram": GramStyle,
    "gram+moments": GramMomentsStyle,
    "wasserstein": WassersteinStyle,
}
"""By the recipe's names."""
