"""Optimisation: an image from a value-and-gradient function, step by step."""

from vangram.optimize.adam import Adam
from vangram.optimize.lbfgs import LBFGS
from vangram.optimize.loop import Step, descend
from vangram.optimize.optimizer import Optimizer
from vangram.optimize.schedule import Level, coarse_to_fine
from vangram.optimize.state import LevelState, RunState

__all__ = [
    "LBFGS",
    "Adam",
    "Level",
    "LevelState",
    "Optimizer",
    "RunState",
    "Step",
    "coarse_to_fine",
    "descend",
]
