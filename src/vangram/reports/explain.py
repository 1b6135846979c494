"""What a run's loss is made of: each term in both units, and the same loss in the other ones."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from vangram.errors import SizeError
from vangram.objective import Term
from vangram.run import Run
from vangram.settings.recipe import Recipe, Units


@dataclass(frozen=True)
class Explained:
    """One term of a loss."""

    term: Term
    """In the recipe's units."""
    literal: float
    """Its value by the paper's formula; for a term on the pixels, by ours."""
    at_zero: float | None
    """What the formula would give for features of zero; None for a term on the pixels."""

    @property
    def relative(self) -> float:
        """Its value in relative units."""
        return self.literal if self.at_zero is None else self.literal / self.at_zero


@dataclass(frozen=True)
class Explanation:
    """A loss, term by term, and recipes that give the same in either units at this size."""

    loss: float
    terms: tuple[Explained, ...]
    same: tuple[Recipe, ...]
    """The same loss in relative and in paper units; none where there are regions."""


def explain(run: Run, image: Tensor) -> Explanation:
    """Take a run's loss at a picture of its full size apart.

    Args:
        run: whose loss.
        image: (1, 3, H, W), sRGB in [0, 1].

    Raises:
        SizeError: the picture has another size than the run's.
    """
    level = run.levels[-1]
    size = (image.shape[2], image.shape[3])
    if size != level.size:
        raise SizeError(
            f"the picture has {size[1]} x {size[0]} px, and its recipe makes"
            f" {level.size[1]} x {level.size[0]}: was it resized since?"
        )
    objective = run.objective(level)
    found = run.engine(level, objective)(image.to(run.storage(level).device_for(run.device)))
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
