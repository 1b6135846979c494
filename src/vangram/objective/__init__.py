"""What is minimised: terms, their targets, and the gradient of their sum.

Wrappers of a value and gradient are imported by their own names, since some load pictures:
`keep`, `luminance`, `temporal`.
"""

from vangram.objective.evaluation import Evaluate, Evaluation, Term, TermKey
from vangram.objective.objective import PIXEL_TERMS, Judgement, Objective, Statistics
from vangram.objective.targets import Region

__all__ = [
    "PIXEL_TERMS",
    "Evaluate",
    "Evaluation",
    "Judgement",
    "Objective",
    "Region",
    "Statistics",
    "Term",
    "TermKey",
]
