"""The terms of a run's loss, in both units, and recipes with the same loss in either."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from vangram.errors import SizeError
from vangram.objective import Term
from vangram.run import Run
from vangram.run.resized import resize_inputs
from vangram.settings.recipe import Recipe, Units


@dataclass(frozen=True)
class Explained:
    """One term of a loss."""

    term: Term
    """The term in the recipe's units."""
    literal: float
    """Value of the literal formula: the paper's, or ours for terms on the pixels."""
    at_zero: float | None
    """Value of the literal formula for features of zero; None for terms on the pixels."""

    @property
    def relative(self) -> float:
        """Value in relative units."""
        return self.literal if self.at_zero is None else self.literal / self.at_zero


@dataclass(frozen=True)
class Explanation:
    """A loss by terms, and recipes with the same loss at this size."""

    loss: float
    terms: tuple[Explained, ...]
    same: tuple[Recipe, ...]
    """Recipes in relative and in paper units; empty if there are regions."""


def explain(run: Run, image: Tensor) -> Explanation:
    """Evaluate a run's loss, by terms, at a picture of full size.

    Args:
        run: defines the loss.
        image: (1, 3, H, W), sRGB in [0, 1].

    Raises:
        SizeError: the picture does not have the size of the run's result.
    """
    plan = run.plans[-1]
    level = plan.level
    size = (image.shape[2], image.shape[3])
    if size != level.size:
        raise SizeError(
            f"the picture has {size[1]} x {size[0]} px, and its recipe makes"
            f" {level.size[1]} x {level.size[0]}: was it resized since?"
        )
    inputs = resize_inputs(run.inputs, plan)
    objective = run.objective(plan, inputs)
    found = run.evaluate(plan, objective, inputs)(plan.place(image))
    terms = []
    for term in found.terms:
        part = objective.content.get(term.key) or objective.style.get(term.key)
        if part is None:
            terms.append(Explained(term, term.value, None))
        else:
            terms.append(Explained(term, term.value * objective.unit(part), part.normaliser))
    units: tuple[Units, ...] = () if objective.has_regions else ("relative", "paper")
    same = tuple(objective.recipe_in(each) for each in units)
    return Explanation(found.loss, tuple(terms), same)
