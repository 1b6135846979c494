"""Crops that the student itself repaints while it learns.

An optimisation drives a picture to where the network believes itself done, and there a student is
least like its teacher. So it is taught on the way: each crop takes a few steps of the optimisation
that the student leads as it is by then, is learnt from, and goes on when its turn comes again.
"""

from __future__ import annotations

import random

import torch
from torch import Tensor

from training.pictures import Crops
from vangram.engines import WholeEngine
from vangram.networks import FeatureNetwork
from vangram.objective import Objective
from vangram.optimize.lbfgs import LBFGS
from vangram.settings.recipe import Recipe

CROPS = 24
VISITS = 12
"""Times that a crop is learnt from before another takes its place."""
STEPS = 4
"""Steps of the program's own optimiser before each visit."""
STRENGTHS = (0.5, 1.0, 2.0, 4.0)
"""Of the style, one of them for each crop: the weight is multiplied by their squares."""


class Driven:
    """Crops on their way to a style, each at another stage.

    Args:
        crops: source of contents and styles.
        seed: of the first stages and the strengths.
    """

    def __init__(self, crops: Crops, seed: int) -> None:
        self.crops = crops
        self.random = random.Random(seed)
        self.paths = [self._path(self.random.randrange(VISITS)) for _ in range(CROPS)]
        self.visited = 0

    def batch(self, network: FeatureNetwork, count: int) -> Tensor:
        """The crops whose turn it is, (count, 3, side, side), after their next steps.

        Args:
            network: the student as it is now, frozen.
            count: at most `CROPS`.
        """
        pictures = []
        for _ in range(count):
            turn = self.visited % CROPS
            if self.paths[turn].visits == VISITS:
                self.paths[turn] = self._path(0)
            pictures.append(self.paths[turn].advanced(network))
            self.visited += 1
        return torch.cat(pictures)

    def _path(self, visits: int) -> _Path:
        return _Path(self.crops, visits, self.random.choice(STRENGTHS))


class _Path:
    """One crop's optimisation, from the content, by the default recipe at a strength."""

    def __init__(self, crops: Crops, visits: int, strength: float) -> None:
        self.content, self.style = crops.batch(2).split(1)
        self.image: Tensor = self.content.contiguous()
        self.recipe = Recipe().strengthened(strength)
        self.optimizer = LBFGS()
        self.visits = visits

    def advanced(self, network: FeatureNetwork) -> Tensor:
        """The image (1, 3, side, side) after `STEPS` steps."""
        objective = Objective.of(self.recipe, network, self.content, self.style)
        evaluate = WholeEngine(network, objective)
        self.optimizer.here = None  # it was the student's of the last visit
        for _ in range(STEPS):
            self.image = self.optimizer.move(self.image, evaluate).image
        self.visits += 1
        return self.image
