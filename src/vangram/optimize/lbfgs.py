"""Limited-memory BFGS with a multilevel preconditioner and a backtracking line search."""

from __future__ import annotations

import math
from collections import deque

from torch import Tensor

from vangram.objective import Evaluate, Evaluation
from vangram.optimize.optimizer import Move, State, evaluation_of, evaluation_state
from vangram.optimize.preconditioner import multilevel
from vangram.optimize.vectors import add, dot, largest, plus, times
from vangram.storage.tensors import IN_MEMORY, Storage

SUFFICIENT_DECREASE = 1e-4
"""Share of the predicted decrease that a step must achieve (Armijo's condition)."""
TRIALS = 12
"""Steps tried in one direction before the line search fails."""
FIRST_CHANGE = 0.05
"""Largest change of a pixel in the first step, before any curvature is known."""
LARGEST_CHANGE = 0.5
"""Largest change of a pixel in any step: half its range."""
INITIAL_SCALE = 2.0
"""Factor of the initial metric, relative to the curvature along the last pair, which the steepest
directions in it dominate. With 4 every fifth step has to be shortened."""


class LBFGS:
    """L-BFGS, Nocedal and Wright, Numerical Optimization, algorithm 7.5, with backtracking.

    The initial metric is `multilevel`. A full step is tried first and shortened by quadratic
    interpolation until it meets Armijo's condition; nearly every step does at once, so a step costs
    one evaluation. Pairs without positive curvature are skipped, which keeps the metric positive
    definite without the evaluations of a Wolfe line search.

    Args:
        history: pairs of image and gradient changes to keep; each takes twice an image's memory.
        storage: of images, gradients and pairs.
    """

    VECTORS = 8
    """Tensors of the image's size, besides two for each pair."""

    def __init__(self, history: int = 20, storage: Storage = IN_MEMORY) -> None:
        self.storage = storage
        self.pairs: deque[tuple[Tensor, Tensor, float]] = deque(maxlen=history)
        self.here: Evaluation | None = None
        self.first_scale = 1.0

    def restart(self) -> None:
        """Discard the history and the last evaluation; divide the next first step by four."""
        self.pairs.clear()
        self.here = None
        self.first_scale *= 0.25

    def state(self) -> State:
        """The pairs with their curvatures, the last evaluation, the first step's scale."""
        return {
            "pairs": list(self.pairs),
            "here": evaluation_state(self.here),
            "caution": self.first_scale,
        }

    def restore(self, state: State) -> None:
        """Continue from a state."""
        self.pairs.clear()
        self.pairs.extend((change, grad_change, s_y) for change, grad_change, s_y in state["pairs"])
        self.here = evaluation_of(state["here"])
        self.first_scale = state["caution"]

    def move(self, image: Tensor, evaluate: Evaluate) -> Move:
        """Take one step from `image`."""
        here, storage = self.here or evaluate(image), self.storage
        direction = self._direction(here.gradient)
        slope = dot(direction, here.gradient, storage)
        if not slope < 0:  # no descent direction: rounding in the metric, or a zero gradient
            self.pairs.clear()
            direction = self._direction(here.gradient)
            slope = dot(direction, here.gradient, storage)
        self.here = here
        if not slope < 0:
            return Move(image, here, stuck=True)
        length = min(1.0, LARGEST_CHANGE / max(largest(direction, storage), 1e-30))
        for _ in range(TRIALS):
            trial = plus(image, length, direction, storage)
            there = evaluate(trial)
            if there.loss <= here.loss + SUFFICIENT_DECREASE * length * slope:
                change = plus(trial, -1.0, image, storage)
                self._add_pair(change, plus(there.gradient, -1.0, here.gradient, storage))
                self.here = there
                return Move(trial, there)
            length *= _shorter(here.loss, slope * length, there.loss)
        return Move(image, here, stuck=True)

    def _direction(self, gradient: Tensor) -> Tensor:
        """Minus the metric times the gradient, by the two-loop recursion (algorithm 7.4)."""
        storage = self.storage
        if not self.pairs:
            direction = multilevel(gradient, storage)
            most = max(largest(direction, storage), 1e-30)
            return times(direction, -FIRST_CHANGE * self.first_scale / most, storage)
        q = times(gradient, -1.0, storage)
        alphas = []
        for change, grad_change, s_y in reversed(self.pairs):
            alphas.append(dot(change, q, storage) / s_y)
            add(q, -alphas[-1], grad_change, storage)
        change, grad_change, s_y = self.pairs[-1]
        y_p_y = dot(grad_change, multilevel(grad_change, storage), storage)
        q = times(multilevel(q, storage), INITIAL_SCALE * s_y / y_p_y, storage)
        for (change, grad_change, s_y), alpha in zip(self.pairs, reversed(alphas), strict=True):
            add(q, alpha - dot(grad_change, q, storage) / s_y, change, storage)
        return q

    def _add_pair(self, change: Tensor, grad_change: Tensor) -> None:
        s_y, storage = dot(change, grad_change, self.storage), self.storage
        norms = dot(grad_change, grad_change, storage) ** 0.5 * dot(change, change, storage) ** 0.5
        if s_y > 1e-10 * norms:
            self.pairs.append((change, grad_change, s_y))


def _shorter(loss: float, slope: float, tried: float) -> float:
    """Factor for a step that was too long: the minimum of the parabola through what is known."""
    if not math.isfinite(tried):
        return 0.1
    return min(0.5, max(0.1, -slope / (2 * (tried - loss - slope))))
