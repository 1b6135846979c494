"""L-BFGS on functions whose minimum is known."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from tests.support import GOAL, Counted, noise, quadratic
from vangram.objective import Evaluation
from vangram.optimize import LBFGS
from vangram.optimize.lbfgs import FIRST_CHANGE, LARGEST_CHANGE, TRIALS
from vangram.optimize.optimizer import Move
from vangram.optimize.preconditioner import multilevel


def scaled(scale: float, image: Tensor) -> Tensor:
    return scale * quadratic(image)


def rosenbrock(image: Tensor) -> Tensor:
    x, y = image[..., ::2][..., :2], image[..., 1::2][..., :2]
    return (100 * (y - x**2) ** 2 + (1 - x) ** 2).sum()


def run(optimizer: LBFGS, image: Tensor, evaluate: Counted, moves: int) -> list[Move]:
    done = []
    for _ in range(moves):
        done.append(optimizer.move(image, evaluate))
        image = done[-1].image
    return done


def test_lbfgs_finds_the_minimum_of_a_quadratic_in_few_moves() -> None:
    evaluate = Counted(quadratic)
    moves = run(LBFGS(), noise(2), evaluate, 120)
    assert float((moves[-1].image - GOAL).abs().max()) < 1e-6
    assert moves[-1].evaluation.loss < 1e-10 * evaluate.losses[0]


def test_lbfgs_without_its_history_is_far_slower() -> None:
    optimizer, image = LBFGS(), noise(2)
    evaluate = Counted(quadratic)
    for _ in range(120):
        optimizer.pairs.clear()
        image = optimizer.move(image, evaluate).image
    assert float((image - GOAL).abs().max()) > 1e-3


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_stiff_pixels_do_not_hold_up_the_others(seed: int) -> None:
    goal, start, stiffness = (
        torch.rand(1, 3, 24, 24, generator=generator, dtype=torch.float64)
        for generator in [torch.Generator().manual_seed(seed)] * 3
    )
    stiffness = 300 * stiffness[:, :1]
    stiffness[..., 12:] = 0

    def partly_stiff(image: Tensor) -> Tensor:
        return 0.5 * ((1 + stiffness) * (image - goal).square()).sum()

    def left(known: Tensor | None) -> float:
        """Of the error beside the stiff pixels, after some moves."""
        last = run(LBFGS(stiffness=known), start, Counted(partly_stiff), 12)[-1].image
        away, at_first = ((x - goal)[..., 12:].square().sum() for x in (last, start))
        return float(away / at_first)

    assert left(stiffness) < 0.2 * left(None)


def test_lbfgs_decreases_rosenbrock_monotonically() -> None:
    evaluate = Counted(rosenbrock)
    moves = run(LBFGS(), torch.full(GOAL.shape, -0.8, dtype=torch.float64), evaluate, 200)
    losses = [move.evaluation.loss for move in moves]
    assert all(after <= before for before, after in pairwise(losses))
    assert losses[-1] < 1e-6 * evaluate.losses[0]


def test_lbfgs_costs_one_evaluation_a_step_in_the_ordinary_case() -> None:
    evaluate = Counted(quadratic)
    run(LBFGS(), noise(2), evaluate, 60)
    # One more at the start, and one step in ten may be shortened.
    assert evaluate.calls <= 1 + 60 * 1.1


def test_lbfgs_reuses_the_evaluation_of_its_last_move() -> None:
    optimizer, evaluate = LBFGS(), Counted(quadratic)
    first = optimizer.move(noise(2), evaluate)
    assert evaluate.calls == 2
    optimizer.move(first.image, evaluate)
    assert evaluate.calls == 3


def test_lbfgs_line_search_is_limited() -> None:
    calls = 0

    def uphill(image: Tensor) -> Evaluation:
        nonlocal calls
        calls += 1
        return Evaluation(float(calls), (), torch.ones_like(image))

    image = noise(2)
    move = LBFGS().move(image, uphill)
    assert calls == TRIALS + 1
    assert move.stuck
    assert torch.equal(move.image, image)
    assert move.evaluation.loss == 1


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_lbfgs_backtracks_from_values_that_are_not_finite(bad: float) -> None:
    goal = torch.full(GOAL.shape, 0.5, dtype=torch.float64)

    def walled(image: Tensor) -> Evaluation:
        found = Counted(lambda x: 50 * ((x - goal) ** 2).sum())(image)
        if float((image - goal).abs().max()) > 0.31:
            return Evaluation(bad, (), torch.full_like(image, bad))
        return found

    image, optimizer, start = goal + 0.3 * (2 * noise(3) - 1), LBFGS(), 0.0
    optimizer.here = Evaluation(1e9, (), (goal - image))  # points out of the wall
    start = float((image - goal).square().sum())
    for _ in range(20):
        move = optimizer.move(image, walled)
        assert math.isfinite(move.evaluation.loss)
        assert bool(torch.isfinite(move.image).all())
        image = move.image
    assert float((image - goal).square().sum()) < 1e-3 * start


def test_lbfgs_first_change_is_bounded_at_any_gradient_scale() -> None:
    for scale in (1e-9, 1.0, 1e9):
        move = LBFGS().move(noise(2), Counted(partial(scaled, scale)))
        change = float((move.image - noise(2)).abs().max())
        assert 0 < change <= FIRST_CHANGE * (1 + 1e-9)


def test_lbfgs_changes_no_pixel_by_more_than_half_the_range() -> None:
    flat = Counted(lambda x: (1e-3 * (x - 40) ** 2).sum())
    optimizer, image = LBFGS(), noise(2)
    for _ in range(10):
        move = optimizer.move(image, flat)
        assert float((move.image - image).abs().max()) <= LARGEST_CHANGE * (1 + 1e-9)
        image = move.image


def test_lbfgs_skips_pairs_without_positive_curvature() -> None:
    optimizer = LBFGS()
    concave = Counted(lambda x: -(x**2).sum())
    optimizer.move(noise(2), concave)
    assert not optimizer.pairs


def test_lbfgs_keeps_no_more_pairs_than_its_history() -> None:
    optimizer = LBFGS(history=3)
    run(optimizer, noise(2), Counted(quadratic), 8)
    assert len(optimizer.pairs) == 3


def test_lbfgs_restart_discards_pairs_and_takes_smaller_first_steps() -> None:
    optimizer, evaluate = LBFGS(), Counted(quadratic)
    run(optimizer, noise(2), evaluate, 5)
    optimizer.restart()
    assert not optimizer.pairs
    before = evaluate.calls
    # Somewhere else: a remembered evaluation would be wrong there.
    move = optimizer.move(noise(4), evaluate)
    assert evaluate.calls - before == 2
    assert float((move.image - noise(4)).abs().max()) <= 0.25 * FIRST_CHANGE * (1 + 1e-9)
    fresh = LBFGS().move(noise(4), Counted(quadratic))
    assert float((fresh.image - noise(4)).abs().max()) > 0.9 * FIRST_CHANGE


def test_lbfgs_move_does_not_change_its_input() -> None:
    optimizer, evaluate, image = LBFGS(), Counted(quadratic), noise(2)
    for _ in range(4):
        before = image.clone()
        move = optimizer.move(image, evaluate)
        assert torch.equal(image, before)
        assert not torch.equal(move.image, before)
        image = move.image


def test_lbfgs_is_stuck_where_the_gradient_is_zero() -> None:
    assert LBFGS().move(GOAL, Counted(quadratic)).stuck


def test_preconditioner_speeds_up_low_frequencies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss whose curvature grows with frequency, as a picture's does: differences squared."""

    def rough(image: Tensor) -> Tensor:
        across, down = image.diff(dim=-1), image.diff(dim=-2)
        return across.square().sum() + down.square().sum() + 1e-3 * image.square().sum()

    start = torch.rand(1, 1, 48, 48, generator=torch.Generator().manual_seed(0)).double()
    reached = []
    for preconditioner in (multilevel, lambda gradient, _: gradient):
        monkeypatch.setattr("vangram.optimize.lbfgs.multilevel", preconditioner)
        reached.append(run(LBFGS(3), start, Counted(rough), 30)[-1].evaluation.loss)
    assert reached[0] < 0.5 * reached[1]
