"""Limited-memory BFGS with a multilevel preconditioner and a backtracking line search."""

from __future__ import annotations

import math
from collections import deque

from torch import Tensor

from vangram.objective import Evaluate, Evaluation
from vangram.optimize.optimizer import Move, State, evaluation_of, evaluation_state
from vangram.optimize.preconditioner import multilevel
from vangram.optimize.vectors import add, dot, is_finite, largest, plus, scaled_by, times
from vangram.storage.tensors import IN_MEMORY, Storage

SUFFICIENT_DECREASE = 1e-4
"""Share of the predicted decrease that a step must achieve (Armijo's condition)."""
TRIALS = 12
"""Steps tried in one direction before the line search fails."""
FIRST_CHANGE = 0.05
"""Largest change of a pixel in the first step, before any curvature is known."""
LARGEST_CHANGE = 0.5
"""Largest change of a pixel in any step: half its range."""
SMALLEST_GRADIENT = 1e-37
"""Largest component of a gradient that counts as zero: near the least normal number of float32."""
INITIAL_SCALE = 2.0
"""Factor of the initial metric, relative to the curvature along the last pair, which the steepest
directions in it dominate. With 4 every fifth step has to be shortened."""


class LBFGS:
    """L-BFGS, Nocedal and Wright, Numerical Optimization, algorithm 7.5, with backtracking.

    The initial metric is `multilevel`, with less of it where `stiffness` is large. A full step is
    tried first and shortened by quadratic interpolation until it meets Armijo's condition; nearly
    every step does at once, so a step costs one evaluation. Pairs without positive curvature are
    skipped, which keeps the metric positive definite without the evaluations of a Wolfe line
    search.

    Args:
        history: pairs of image and gradient changes to keep; each takes twice an image's memory.
        storage: of images, gradients and pairs.
        stiffness: (1, 1, H, W), the curvature of terms of single pixels beside the rest's; None:
            there are no such terms.
    """

    VECTORS = 8
    """Tensors of the image's size, besides two for each pair."""

    def __init__(
        self, history: int = 20, storage: Storage = IN_MEMORY, stiffness: Tensor | None = None
    ) -> None:
        self.storage = storage
        self.scale = None if stiffness is None else (1 + stiffness).rsqrt_()
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
        slope = dot(direction, here.gradient)
        if not slope < 0:  # no descent direction: rounding in the metric, or a zero gradient
            self.pairs.clear()
            direction = self._direction(here.gradient)
            slope = dot(direction, here.gradient)
        self.here = here
        if not slope < 0:
            return Move(image, here, stuck=True)
        length = min(1.0, LARGEST_CHANGE / largest(direction))
        for _ in range(TRIALS):
            trial = plus(image, length, direction, storage)
            there = evaluate(trial)
            enough = there.loss <= here.loss + SUFFICIENT_DECREASE * length * slope
            if enough and is_finite(there.gradient):
                change = plus(trial, -1.0, image, storage)
                self._add_pair(change, plus(there.gradient, -1.0, here.gradient, storage))
                self.here = there
                return Move(trial, there)
            length *= _shorter(here.loss, slope * length, there.loss)
        return Move(image, here, stuck=True)

    def _metric(self, gradient: Tensor) -> Tensor:
        """S P S g, with P `multilevel` and S = (1 + stiffness)^-1/2."""
        if self.scale is None:
            return multilevel(gradient, self.storage)
        scaled = multilevel(scaled_by(self.scale, gradient, self.storage), self.storage)
        return scaled_by(self.scale, scaled, self.storage)

    def _direction(self, gradient: Tensor) -> Tensor:
        """Minus the metric times the gradient, by the two-loop recursion (algorithm 7.4)."""
        storage = self.storage
        if not self.pairs:
            direction = self._metric(gradient)
            most = max(largest(direction), SMALLEST_GRADIENT)
            return times(direction, -FIRST_CHANGE * self.first_scale / most, storage)
        q = times(gradient, -1.0, storage)
        alphas = []
        for change, grad_change, s_y in reversed(self.pairs):
            alphas.append(dot(change, q) / s_y)
            add(q, -alphas[-1], grad_change)
        change, grad_change, s_y = self.pairs[-1]
        y_p_y = dot(grad_change, self._metric(grad_change))
        q = times(self._metric(q), INITIAL_SCALE * s_y / y_p_y, storage)
        for (change, grad_change, s_y), alpha in zip(self.pairs, reversed(alphas), strict=True):
            add(q, alpha - dot(grad_change, q) / s_y, change)
        return q

    def _add_pair(self, change: Tensor, grad_change: Tensor) -> None:
        s_y = dot(change, grad_change)
        norms = dot(grad_change, grad_change) ** 0.5 * dot(change, change) ** 0.5
        if s_y > 1e-10 * norms:
            self.pairs.append((change, grad_change, s_y))


def _shorter(loss: float, slope: float, tried: float) -> float:
    """Factor for a step that was too long: the minimum of the parabola through what is known."""
    if not math.isfinite(tried):
        return 0.1
    return min(0.5, max(0.1, -slope / (2 * (tried - loss - slope))))
