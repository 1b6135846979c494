"""The loop: what goes wrong is taken back, told, and given up at last."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from vangram.errors import DivergedError
from vangram.objective import Evaluate, Evaluation, Term
from vangram.optimize import LBFGS, Adam, Level, LevelState, Optimizer, RunState, Step, descend
from vangram.optimize.loop import DIVERGENCE_RATIO, MAX_RESTARTS, WINDOW
from vangram.optimize.optimizer import Move, State

LEVEL = Level(number=1, of=1, size=(2, 3), steps=10, work_before=0.0, work=1.0)
START = torch.zeros(1, 3, 2, 3)


class Scripted:
    """An optimiser whose losses are written down; its image counts the moves."""

    def __init__(self, losses: Sequence[float], stuck: Sequence[int] = ()) -> None:
        self.losses = list(losses)
        self.stuck = set(stuck)
        self.seen: list[Tensor] = []
        self.restarts = 0

    def move(self, image: Tensor, evaluate: Evaluate) -> Move:
        self.seen.append(image)
        count = len(self.seen)
        loss = self.losses[count - 1]
        there = torch.full_like(image, count if math.isfinite(loss) else loss)
        term = Term("content", "relu1_1", loss, 1.0)
        return Move(there, Evaluation(loss, (term,), image), stuck=count in self.stuck)

    def restart(self) -> None:
        self.restarts += 1

    def state(self) -> State:
        return {"seen": list(self.seen), "restarts": self.restarts}

    def restore(self, state: State) -> None:
        self.seen, self.restarts = list(state["seen"]), state["restarts"]


def nothing(image: Tensor) -> Evaluation:
    raise AssertionError("the loop itself evaluates nothing")


def taken(optimizer: Optimizer, steps: int = 10) -> list[Step]:
    return list(descend(LevelState.start(START), nothing, optimizer, replace(LEVEL, steps=steps)))


def value(image: Tensor) -> float:
    return float(image.flatten()[0])


@pytest.mark.parametrize("bad", [math.nan, math.inf, DIVERGENCE_RATIO * 4 * 1.01])
def test_failed_step_is_reverted(bad: float) -> None:
    optimizer = Scripted([5, 4, bad, 3.5, 3])
    steps = taken(optimizer, 5)
    assert [step.loss for step in steps] == [5, 4, 4, 3.5, 3]
    assert [value(step.image) for step in steps] == [1, 2, 2, 4, 5]
    assert value(optimizer.seen[3]) == 2  # back to where the loss was lowest
    assert optimizer.restarts == 1
    assert [step.note is not None for step in steps] == [False, False, True, False, False]
    assert "\n" not in (steps[2].note or "")
    # The terms are those of the image and the loss that are shown.
    assert [step.terms[0].value for step in steps] == [5, 4, 4, 3.5, 3]


def test_step_that_is_worse_but_has_not_diverged_stands() -> None:
    optimizer = Scripted([4, 4 * DIVERGENCE_RATIO * 0.99, 3])
    steps = taken(optimizer, 3)
    assert optimizer.restarts == 0
    assert [step.loss for step in steps] == [4, 4 * DIVERGENCE_RATIO * 0.99, 3]
    assert value(optimizer.seen[2]) == 2


def test_image_of_a_step_has_the_lowest_loss() -> None:
    steps = taken(Scripted([5, 3, 4, 2, 6, math.nan, 2.5, 1]), 8)
    assert [value(step.image) for step in steps] == [1, 2, 2, 4, 4, 4, 4, 8]


def test_every_step_is_finite() -> None:
    losses = [5, math.nan, 4, math.inf, 3, math.nan, 2]
    for step in taken(Scripted(losses), 7):
        assert math.isfinite(step.loss)
        assert bool(torch.isfinite(step.image).all())


def test_repeated_divergence_is_an_error() -> None:
    optimizer = Scripted([5, *[math.nan] * 20])
    steps: list[Step] = []
    with pytest.raises(DivergedError) as caught:
        collect(steps, optimizer)
    assert len(steps) == 1 + MAX_RESTARTS
    assert optimizer.restarts == MAX_RESTARTS
    assert "nan at 3 x 2 px" in str(caught.value)
    assert "\n" not in str(caught.value)


def collect(steps: list[Step], optimizer: Optimizer) -> None:
    for step in descend(LevelState.start(START), nothing, optimizer, replace(LEVEL, steps=20)):
        steps.append(step)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_start_that_is_not_finite_is_an_error_at_once(bad: float) -> None:
    optimizer = Scripted([bad, 1, 1])
    with pytest.raises(DivergedError):
        taken(optimizer, 3)
    assert optimizer.restarts == 0


@pytest.mark.parametrize("optimizer", [LBFGS(), Adam()])
def test_start_that_is_not_finite_is_an_error_with_real_optimisers(optimizer: Optimizer) -> None:
    def bad(image: Tensor) -> Evaluation:
        return Evaluation(math.nan, (), torch.full_like(image, math.nan))

    with pytest.raises(DivergedError):
        list(descend(LevelState.start(START), bad, optimizer, LEVEL))


@pytest.mark.parametrize("optimizer", [LBFGS, Adam])
@pytest.mark.parametrize("when", [3, 4, 6])  # L-BFGS is at the minimum soon after
def test_real_optimisers_recover_from_a_value_that_is_not_finite(
    optimizer: type[LBFGS | Adam], when: int
) -> None:
    goal, calls = torch.linspace(0, 1, 18).view(1, 3, 2, 3), 0

    def once_bad(image: Tensor) -> Evaluation:
        nonlocal calls
        calls += 1
        if calls == when:
            return Evaluation(math.nan, (), torch.full_like(image, math.nan))
        return Evaluation(float((image - goal).square().sum()), (), 2 * (image - goal))

    steps = list(descend(LevelState.start(START), once_bad, optimizer(), replace(LEVEL, steps=150)))
    assert calls >= when
    for step in steps:
        assert math.isfinite(step.loss)
        assert bool(torch.isfinite(step.image).all())
    assert steps[-1].loss < 0.1 * float(goal.square().sum())


def test_level_ends_early_when_stuck_twice() -> None:
    optimizer = Scripted([5, 4, 4, 4, 3], stuck=[3, 4])
    assert [step.number for step in taken(optimizer)] == [1, 2, 3]
    assert optimizer.restarts == 1


def test_level_goes_on_when_a_restart_has_helped() -> None:
    optimizer = Scripted([5, 5, 4, 4, 3], stuck=[2, 4])
    assert [step.loss for step in taken(optimizer, 5)] == [5, 5, 4, 4, 3]
    assert optimizer.restarts == 2


def test_level_at_the_minimum_ends_early() -> None:
    def flat(image: Tensor) -> Evaluation:
        return Evaluation(0.0, (), torch.zeros_like(image))

    assert len(list(descend(LevelState.start(START), flat, LBFGS(), LEVEL))) < LEVEL.steps


def test_steps_are_numbered_from_one_to_the_last() -> None:
    steps = taken(Scripted([9 - index for index in range(7)]), 7)
    assert [step.number for step in steps] == [1, 2, 3, 4, 5, 6, 7]


def test_done_rises_from_zero_to_one() -> None:
    levels = [
        Level(1, 2, (2, 3), 4, work_before=0.0, work=0.2),
        Level(2, 2, (4, 6), 3, work_before=0.2, work=0.8),
    ]
    done = [
        step.done
        for level in levels
        for step in descend(
            LevelState.start(START), nothing, Scripted([9 - i for i in range(9)]), level
        )
    ]
    assert done == sorted(done)
    assert done[0] == pytest.approx(0.05)
    assert done[3] == pytest.approx(0.2)
    assert done[-1] == pytest.approx(1)


def test_total_sums_the_weighted_terms_of_a_kind() -> None:
    terms = (
        Term("style", "relu1_1", 2.0, 0.5),
        Term("style", "relu2_1", 3.0, 10.0),
        Term("content", "relu2_1", 7.0, 1.0),
    )
    step = Step(LEVEL, 1, 38.0, terms, START, RunState(1, LevelState.start(START), None))
    assert step.total("style") == 31
    assert step.total("content") == 7
    assert step.total("tv") == 0


TROUBLED = [5, 4, math.nan, 3.5, 3.5, 3.4, 9, 3.3, 14, 3.2, 3.2, 3.2]
"""Losses of a descent that restarts thrice and ends early."""


def test_level_resumed_from_any_step_is_identical() -> None:
    stuck = [5, 11, 12]
    whole = taken(Scripted(TROUBLED, stuck), 40)
    assert [step.number for step in whole] == [*range(1, 12)]
    for step in whole:
        optimizer = Scripted(TROUBLED, stuck)
        assert step.state.optimizer is not None
        optimizer.restore(step.state.optimizer)
        level = replace(LEVEL, steps=40)
        rest = list(descend(step.state.level_state, nothing, optimizer, level))
        assert [s.number for s in rest] == [*range(step.number + 1, 12)]
        for ours, theirs in zip(rest, whole[step.number :], strict=True):
            assert (ours.loss, ours.note, ours.terms) == (theirs.loss, theirs.note, theirs.terms)
            assert torch.equal(ours.image, theirs.image)
            assert vars(ours.state.level_state).keys() == vars(theirs.state.level_state).keys()
            assert ours.state.level_state.restarts == theirs.state.level_state.restarts


def test_state_after_the_last_step_has_no_optimiser() -> None:
    steps = taken(Scripted([5, 4, 6]), 3)
    assert [step.state.optimizer is None for step in steps] == [False, False, True]
    assert steps[-1].state.image is steps[-1].image
    assert value(steps[-1].image) == 2


def test_state_has_finished_earlier_levels_and_its_own_at_the_end() -> None:
    levels = [replace(LEVEL, number=number, of=3) for number in (1, 2, 3)]
    for state, done in (({}, [True, False, False]), (None, [True, True, False])):
        position = RunState(2, LevelState(START, START, 9), state)
        assert [position.has_finished(level) for level in levels] == done


def falling(shares: Sequence[float]) -> list[float]:
    """Losses of which each is smaller than the last one by a share of it."""
    losses = [1.0]
    for share in shares:
        losses.append(losses[-1] * (1 - share))
    return losses


def converged(losses: Sequence[float], tolerance: float, steps: int = 200) -> list[Step]:
    level = replace(LEVEL, steps=steps)
    return list(descend(LevelState.start(START), nothing, Scripted(losses), level, tolerance))


def test_level_ends_where_the_loss_falls_by_less_than_the_tolerance_over_the_window() -> None:
    # A hundredth at each step, then a ten-thousandth: the window has to hold the latter alone but
    # for the few first ones that still make 1 % together.
    losses = falling([1e-2] * 40 + [1e-4] * 160)
    steps = converged(losses, 0.01)
    last = steps[-1].number
    assert last < 200
    window = losses[last - 1 - WINDOW : last]
    assert window[0] - window[-1] < 0.01 * window[0]
    before = losses[last - 2 - WINDOW : last - 1]
    assert before[0] - before[-1] >= 0.01 * before[0]
    assert [step.last for step in steps] == [False] * (last - 1) + [True]
    assert steps[-1].state.optimizer is None
    assert steps[-1].done == 1
    assert steps[-2].done == (last - 1) / 200


def test_level_whose_loss_falls_enough_takes_all_steps() -> None:
    losses = falling([1e-3] * 200)  # 2 % over 20 steps
    assert converged(losses, 0.015)[-1].number == 200


def test_tolerance_of_zero_never_ends_a_level() -> None:
    steps = converged([1.0] * 200, 0.0)
    assert steps[-1].number == 200


def test_level_has_a_whole_window_after_a_restart() -> None:
    losses = [*falling([1e-4] * 15), math.nan, *falling([1e-4] * 60)]
    steps = converged(losses, 0.01)
    assert steps[-1].number == 17 + WINDOW


def test_resumed_level_converges_at_the_same_step() -> None:
    losses = falling([1e-2] * 10 + [1e-4] * 60)
    whole = converged(losses, 0.01)
    level = replace(LEVEL, steps=200)
    for step in whole[:-1]:
        plain, tensors = step.state.parts()
        position = RunState.from_parts(json.loads(json.dumps(plain)), tensors)
        optimizer = Scripted(losses)
        assert position.optimizer is not None
        optimizer.restore(position.optimizer)
        rest = list(descend(position.level_state, nothing, optimizer, level, 0.01))
        assert rest[-1].number == whole[-1].number
        assert position.level_state.recent == step.state.level_state.recent
