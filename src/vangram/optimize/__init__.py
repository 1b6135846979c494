"""Optimisation: from a value-and-gradient callable to a picture, step by step."""

from vangram.optimize.adam import Adam
from vangram.optimize.lbfgs import LBFGS
from vangram.optimize.loop import Step, descend
from vangram.optimize.optimizer import Evaluate, Optimizer
from vangram.optimize.schedule import Level, coarse_to_fine

__all__ = ["LBFGS", "Adam", "Evaluate", "Level", "Optimizer", "Step", "coarse_to_fine", "descend"]
