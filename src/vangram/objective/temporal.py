"""A term against flicker between the frames of a sequence: a wrapper of an objective.

Ruder, Dosovitskiy and Brox, "Artistic Style Transfer for Videos" (GCPR 2016).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from vangram.objective.evaluation import Evaluate, Evaluation, Term
from vangram.storage.tensors import row_bands


class TemporalConsistency:
    """The objective with the term γ · mean(c (x − ω)²), ω earlier results, warped.

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
        found, image, total = self.evaluate(image), image.detach(), 0.0
        for rows in row_bands(image):
            at = (..., rows, slice(None))
            away = image[at] - self.last[at]
            pulled = away * self.weights[at]  # c to the first power, as in equation 7
            total += float((away * pulled).sum(dtype=torch.float64))
            found.gradient[at].add_(pulled, alpha=2 * self.weight / image.numel())
        term = Term("flicker", "", total / image.numel(), self.weight)
        return replace(found, loss=found.loss + term.weighted, terms=(*found.terms, term))
