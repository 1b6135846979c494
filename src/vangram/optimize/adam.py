"""Adam, for pictures whose L-BFGS history would not fit, and for comparison."""

from __future__ import annotations

import torch
from torch import Tensor

from vangram.objective import Evaluation
from vangram.optimize.optimizer import Evaluate, Move, State, evaluation_of, evaluation_state

BETAS = (0.9, 0.99)
EPSILON = 1e-12
"""Far below a pixel's gradient, which shrinks with the picture's size."""


class Adam:
    """Kingma and Ba 2015, algorithm 1.

    Args:
        rate: change of a pixel per step, at most about this, with 1 from black to white.
    """

    def __init__(self, rate: float = 0.02) -> None:
        self.rate = rate
        self.here: Evaluation | None = None
        self.mean: Tensor | None = None
        self.square: Tensor | None = None
        self.count = 0

    def restart(self) -> None:
        """Forget the moments and the last evaluation; halve the rate."""
        self.__init__(self.rate / 2)  # type: ignore[misc]

    def state(self) -> State:
        """Rate, moments and their count, the last evaluation."""
        return vars(self) | {"here": evaluation_state(self.here)}

    def restore(self, state: State) -> None:
        """Take a state on."""
        self.rate, self.count = state["rate"], state["count"]
        self.mean, self.square = state["mean"], state["square"]
        self.here = evaluation_of(state["here"])

    def move(self, image: Tensor, evaluate: Evaluate) -> Move:
        """Go one step from `image`."""
        gradient = (self.here or evaluate(image)).gradient
        if self.mean is None or self.square is None:
            self.mean, self.square = torch.zeros_like(image), torch.zeros_like(image)
        self.count += 1
        self.mean = torch.lerp(self.mean, gradient, 1 - BETAS[0])
        self.square = torch.lerp(self.square, gradient.square(), 1 - BETAS[1])
        mean = self.mean / (1 - BETAS[0] ** self.count)
        square = self.square / (1 - BETAS[1] ** self.count)
        image = image - self.rate * mean / (square.sqrt() + EPSILON)
        self.here = evaluate(image)
        return Move(image, self.here)
