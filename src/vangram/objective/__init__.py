"""The loss: its terms, their targets, and its gradient.

The wrappers `keep`, `luminance` and `temporal` are imported from their own modules, as `luminance`
loads `vangram.images`.
"""

from vangram.objective.evaluation import Evaluate, Evaluation, Term, TermKey
from vangram.objective.objective import BAND, PIXEL_TERMS, LossTerms, Objective, Statistics
from vangram.objective.targets import Region

__all__ = [
    "BAND",
    "PIXEL_TERMS",
    "Evaluate",
    "Evaluation",
    "LossTerms",
    "Objective",
    "Region",
    "Statistics",
    "Term",
    "TermKey",
]
