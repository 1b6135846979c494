"""A term against flicker between the frames of a sequence.

Ruder, Dosovitskiy and Brox, "Artistic Style Transfer for Videos" (GCPR 2016).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from vangram.objective.evaluation import Evaluate, Evaluation, Term


class Steady:
    """An objective with a term against flicker: γ mean of (c (x − ω))², ω the last result, moved.

    Args:
        evaluate: the objective.
        last: ω, (1, 3, H, W).
        weights: c, (1, 1, H, W).
        weight: γ.
    """

    def __init__(self, evaluate: Evaluate, last: Tensor, weights: Tensor, weight: float) -> None:
        self.evaluate = evaluate
        self.last, self.weights, self.weight = last, weights, weight

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at (1, 3, H, W), which is read and not changed."""
        found = self.evaluate(image)
        away = (image.detach() - self.last) * self.weights
        value = float(away.square().sum(dtype=torch.float64)) / image.numel()
        found.gradient.add_(away * self.weights, alpha=2 * self.weight / image.numel())
        term = Term("flicker", "", value, self.weight)
        return replace(found, loss=found.loss + term.weighted, terms=(*found.terms, term))
