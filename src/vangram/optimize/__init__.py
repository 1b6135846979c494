"""Optimisation: from a value-and-gradient callable to a picture, step by step."""

from vangram.optimize.adam import Adam
from vangram.optimize.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from vangram.optimize.lbfgs import LBFGS
from vangram.optimize.loop import Step, descend
from vangram.optimize.optimizer import Evaluate, Optimizer
from vangram.optimize.position import Descent, Position
from vangram.optimize.schedule import Level, coarse_to_fine

__all__ = [
    "LBFGS",
    "Adam",
    "Checkpoint",
    "Descent",
    "Evaluate",
    "Level",
    "Optimizer",
    "Position",
    "Step",
    "coarse_to_fine",
    "descend",
    "read_checkpoint",
    "write_checkpoint",
]
