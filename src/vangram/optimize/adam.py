"""Adam, for comparison: several times as many steps as L-BFGS, in less memory."""

from __future__ import annotations

import torch
from torch import Tensor

from vangram.objective import Evaluate, Evaluation
from vangram.optimize.optimizer import Move, State, evaluation_of, evaluation_state
from vangram.storage.tensors import IN_MEMORY, Storage, bands

BETAS = (0.9, 0.99)
EPSILON = 1e-12
"""Far below a pixel's gradient, which shrinks with the size of the image."""


class Adam:
    """Kingma and Ba 2015, algorithm 1.

    Args:
        rate: learning rate, about the largest change of a pixel per step, in units of its range.
        storage: of the image and the moments.
    """

    def __init__(self, rate: float = 0.02, storage: Storage = IN_MEMORY) -> None:
        self.rate = rate
        self.storage = storage
        self.here: Evaluation | None = None
        self.mean: Tensor | None = None
        self.square: Tensor | None = None
        self.count = 0

    def restart(self) -> None:
        """Discard the moments and the last evaluation; halve the rate."""
        self.__init__(self.rate / 2, self.storage)  # type: ignore[misc]

    def state(self) -> State:
        """Rate, moments, number of steps, and the last evaluation."""
        return {
            "rate": self.rate,
            "count": self.count,
            "mean": self.mean,
            "square": self.square,
            "here": evaluation_state(self.here),
        }

    def restore(self, state: State) -> None:
        """Continue from a state."""
        self.rate, self.count = state["rate"], state["count"]
        self.mean, self.square = state["mean"], state["square"]
        self.here = evaluation_of(state["here"])

    def move(self, image: Tensor, evaluate: Evaluate) -> Move:
        """Take one step from `image`."""
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
            direction = mean[at] / (1 - BETAS[0] ** self.count)
            scale = (square[at] / (1 - BETAS[1] ** self.count)).sqrt() + EPSILON
            trial[at] = image[at] - self.rate * direction / scale
            self.storage.release()
        self.mean, self.square = mean, square
        self.here = evaluate(trial)
        return Move(trial, self.here)
