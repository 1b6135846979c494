"""Style losses by name: functions of an image's moments and a style image's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from vangram.losses.gram import GramStyle
from vangram.losses.mean_std import GramMomentsStyle
from vangram.losses.moments import Moments, MomentsGrad
from vangram.losses.wasserstein import WassersteinStyle


class StyleLoss(Protocol):
    """Distance between moments at a layer, of an image and a style image; zero for equal ones."""

    def value(self, image: Moments, positions: float) -> Tensor:
        """The formula, differentiable by autograd.

        Args:
            image: moments, summed over the whole image's positions.
            positions: M = H * W of the whole layer.

        Returns:
            A float64 scalar.
        """

    def value_and_grad(
        self, image: Moments, positions: float, weight: float
    ) -> tuple[Tensor, MomentsGrad]:
        """The value, and the gradient of the value times a weight; args as in `value`."""


class _Kind(Protocol):
    """Type of a class of style losses."""

    needs_sums: bool
    """Whether the moments need sums."""

    def __call__(self, target: Moments) -> StyleLoss:
        """The distance from a style image's moments per position."""


STYLE_LOSSES: Mapping[str, _Kind] = {
    "gram": GramStyle,
    "gram+moments": GramMomentsStyle,
    "wasserstein": WassersteinStyle,
}
"""Name in the recipe -> class."""
