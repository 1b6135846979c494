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

SUFFICIENT = 1e-4
"""Share of the promised decrease that a step must keep (Armijo's condition)."""
TRIALS = 12
"""Steps tried in one direction before it is given up."""
FIRST_CHANGE = 0.05
"""Largest change of a pixel in the first step, of which nothing is known yet."""
LARGEST_CHANGE = 0.5
"""Of a pixel in any step: half the range from black to white."""
BOLDNESS = 2.0
"""Of a step in directions of which no pair tells, beside what the last pair's own would be: that is
ruled by the steepest directions in it. With 4 every fifth step has to be shortened."""


class LBFGS:
    """Nocedal and Wright, Numerical Optimization, algorithm 7.5; the first metric is `multilevel`.

    A full step is tried first and shortened by quadratic interpolation until it keeps enough of
    the decrease that the slope promises. Nearly every step is accepted at once, so that a step
    costs one evaluation. Pairs without positive curvature are left out, which keeps the metric
    positive definite where a Wolfe search would spend evaluations.

    Args:
        history: pairs of changes kept; the memory is twice as many images.
        storage: where images, gradients and pairs shall live.
    """

    VECTORS = 8
    """Images, gradients and what is computed on the way, beside two for each pair."""

    def __init__(self, history: int = 20, storage: Storage = IN_MEMORY) -> None:
        self.storage = storage
        self.pairs: deque[tuple[Tensor, Tensor, float]] = deque(maxlen=history)
        self.here: Evaluation | None = None
        self.caution = 1.0

    def restart(self) -> None:
        """Forget the history and the last evaluation; take smaller first steps."""
        self.pairs.clear()
        self.here = None
        self.caution *= 0.25

    def state(self) -> State:
        """The pairs with their curvatures, the last evaluation, the caution."""
        return {
            "pairs": list(self.pairs),
            "here": evaluation_state(self.here),
            "caution": self.caution,
        }

    def restore(self, state: State) -> None:
        """Take a state on."""
        self.pairs.clear()
        self.pairs.extend((change, turn, curvature) for change, turn, curvature in state["pairs"])
        self.here = evaluation_of(state["here"])
        self.caution = state["caution"]

    def move(self, image: Tensor, evaluate: Evaluate) -> Move:
        """Go one step from `image`."""
        here, storage = self.here or evaluate(image), self.storage
        direction = self._direction(here.gradient)
        slope = dot(direction, here.gradient, storage)
        if not slope < 0:  # rounding has spoilt the metric, or the gradient is zero
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
            if there.loss <= here.loss + SUFFICIENT * length * slope:
                change = plus(trial, -1.0, image, storage)
                self._learn(change, plus(there.gradient, -1.0, here.gradient, storage))
                self.here = there
                return Move(trial, there)
            length *= _shorter(here.loss, slope * length, there.loss)
        return Move(image, here, stuck=True)

    def _direction(self, gradient: Tensor) -> Tensor:
        """The two-loop recursion (algorithm 7.4)."""
        storage = self.storage
        if not self.pairs:
            direction = multilevel(gradient, storage)
            most = max(largest(direction, storage), 1e-30)
            return times(direction, -FIRST_CHANGE * self.caution / most, storage)
        q = times(gradient, -1.0, storage)
        shares = []
        for change, turn, curvature in reversed(self.pairs):
            shares.append(dot(change, q, storage) / curvature)
            add(q, -shares[-1], turn, storage)
        change, turn, curvature = self.pairs[-1]
        own = dot(turn, multilevel(turn, storage), storage)
        q = times(multilevel(q, storage), BOLDNESS * curvature / own, storage)
        for (change, turn, curvature), share in zip(self.pairs, reversed(shares), strict=True):
            add(q, share - dot(turn, q, storage) / curvature, change, storage)
        return q

    def _learn(self, change: Tensor, turn: Tensor) -> None:
        curvature, storage = dot(change, turn, self.storage), self.storage
        norms = dot(turn, turn, storage) ** 0.5 * dot(change, change, storage) ** 0.5
        if curvature > 1e-10 * norms:
            self.pairs.append((change, turn, curvature))


def _shorter(loss: float, slope: float, tried: float) -> float:
    """Share of a step that was too long, from the parabola through what is known of it."""
    if not math.isfinite(tried):
        return 0.1
    return min(0.5, max(0.1, -slope / (2 * (tried - loss - slope))))
