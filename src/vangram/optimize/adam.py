"""Adam, for comparison: it takes several times as many steps as L-BFGS."""

from __future__ import annotations

import torch
from torch import Tensor

from vangram.objective import Evaluate, Evaluation
from vangram.optimize.optimizer import Move, State, evaluation_of, evaluation_state
from vangram.storage.tensors import IN_MEMORY, Storage, bands

BETAS = (0.9, 0.99)
EPSILON = 1e-12
"""Far below a pixel's gradient, which shrinks with the picture's size."""


class Adam:
    """Kingma and Ba 2015, algorithm 1.

    Args:
        rate: change of a pixel per step, at most about this, with 1 from black to white.
        storage: where the image and the moments shall live.
    """

    def __init__(self, rate: float = 0.02, storage: Storage = IN_MEMORY) -> None:
        self.rate = rate
        self.storage = storage
        self.here: Evaluation | None = None
        self.mean: Tensor | None = None
        self.square: Tensor | None = None
        self.count = 0

    def restart(self) -> None:
        """Forget the moments and the last evaluation; halve the rate."""
        self.__init__(self.rate / 2, self.storage)  # type: ignore[misc]

    def state(self) -> State:
        """Rate, moments and their count, the last evaluation."""
        return {
            "rate": self.rate,
            "count": self.count,
            "mean": self.mean,
            "square": self.square,
            "here": evaluation_state(self.here),
        }

    def restore(self, state: State) -> None:
        """Take a state on."""
        self.rate, self.count = state["rate"], state["count"]
        self.mean, self.square = state["mean"], state["square"]
        self.here = evaluation_of(state["here"])

    def move(self, image: Tensor, evaluate: Evaluate) -> Move:
        """Go one step from `image`."""
        gradient = (self.here or evaluate(image)).gradient
        if self.mean is None or self.square is None:
            self.mean = self.storage.zeros(image.shape, image)
            self.square = self.storage.zeros(image.shape, image)
        self.count += 1
        mean, square, trial = (self.storage.empty(image.shape, image) for _ in range(3))
        for rows in bands(image):
            at = (..., rows, slice(None))
            mean[at] = torch.lerp(self.mean[at], gradient[at], 1 - BETAS[0])
            square[at] = torch.lerp(self.square[at], gradient[at].square(), 1 - BETAS[1])
            ahead = mean[at] / (1 - BETAS[0] ** self.count)
            spread = (square[at] / (1 - BETAS[1] ** self.count)).sqrt() + EPSILON
            trial[at] = image[at] - self.rate * ahead / spread
            self.storage.release()
        self.mean, self.square = mean, square
        self.here = evaluate(trial)
        return Move(trial, self.here)
