"""The objective of an image's luminance: a wrapper of an objective.

Gatys, Bethge, Hertzmann and Shechtman, "Preserving Color in Neural Artistic Style Transfer" (2016).
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from vangram.images import luminance_map
from vangram.objective.evaluation import Evaluate, Evaluation
from vangram.storage.tensors import Storage


class LuminanceOnly:
    """The objective of an image's luminance, x -> f(G x); its gradient is Gᵀ ∇f(G x)."""

    def __init__(self, evaluate: Evaluate, storage: Storage) -> None:
        self.evaluate = evaluate
        self.storage = storage
        self.grey = luminance_map()
        self.back = replace(self.grey, matrix=self.grey.matrix.mT)

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at (1, 3, H, W), which is read and not changed."""
        into, release = self.storage.empty(tuple(image.shape), image), self.storage.release
        found = self.evaluate(self.grey(image.detach(), into=into, release=release))
        self.back(found.gradient, into=found.gradient, release=release)
        return found
