"""Adam against its published algorithm, and on a function whose minimum is known."""

from __future__ import annotations

import pytest
import torch

from tests.support import GOAL, Counted, noise, quadratic, rounding
from vangram.optimize import Adam
from vangram.optimize.adam import BETAS, EPSILON

ROUNDING = rounding(4 * 5, layers=10 * 10)
"""Ten steps of about ten operations in a row."""


def test_adam_takes_the_same_steps_as_torch() -> None:
    ours, evaluate, image = Adam(rate=0.02), Counted(quadratic), noise(2)
    theirs = noise(2).requires_grad_()
    reference = torch.optim.Adam([theirs], lr=0.02, betas=BETAS, eps=EPSILON)
    for _ in range(10):
        image = ours.move(image, evaluate).image
        reference.zero_grad()
        quadratic(theirs).backward()  # type: ignore[no-untyped-call]
        reference.step()
        torch.testing.assert_close(image, theirs.detach(), rtol=ROUNDING, atol=ROUNDING)


def test_adam_with_another_decay_is_detected() -> None:
    image, evaluate, ours = noise(2), Counted(quadratic), Adam(rate=0.02)
    theirs = noise(2).requires_grad_()
    reference = torch.optim.Adam([theirs], lr=0.02, betas=(BETAS[0], 0.991), eps=EPSILON)
    for _ in range(10):
        image = ours.move(image, evaluate).image
        reference.zero_grad()
        quadratic(theirs).backward()  # type: ignore[no-untyped-call]
        reference.step()
    assert not torch.allclose(image, theirs.detach(), rtol=ROUNDING, atol=ROUNDING)


def test_adam_converges() -> None:
    optimizer, evaluate, image = Adam(), Counted(quadratic), noise(2)
    for _ in range(400):
        image = optimizer.move(image, evaluate).image
    # It circles the goal at less than its rate.
    assert float((image - GOAL).abs().max()) < optimizer.rate
    assert evaluate.losses[-1] < 1e-3 * evaluate.losses[0]


def test_adam_costs_one_evaluation_a_step() -> None:
    optimizer, evaluate, image = Adam(), Counted(quadratic), noise(2)
    for _ in range(10):
        image = optimizer.move(image, evaluate).image
    assert evaluate.calls == 1 + 10


def test_adam_evaluation_is_of_the_returned_image() -> None:
    move = Adam().move(noise(2), Counted(quadratic))
    assert move.evaluation.loss == pytest.approx(float(quadratic(move.image)), rel=ROUNDING)
    assert not move.stuck


@pytest.mark.parametrize("scale", [1e-7, 1.0, 1e7])
def test_adam_first_change_is_its_rate_at_any_gradient_scale(scale: float) -> None:
    move = Adam(rate=0.03).move(noise(2), Counted(lambda x: scale * quadratic(x)))
    change = (move.image - noise(2)).abs()
    # ε takes off a little of the smallest gradients' steps.
    torch.testing.assert_close(change, torch.full_like(change, 0.03), rtol=1e-3, atol=0)


def test_adam_restart_discards_moments_and_halves_the_rate() -> None:
    optimizer, evaluate, image = Adam(rate=0.02), Counted(quadratic), noise(2)
    for _ in range(5):
        image = optimizer.move(image, evaluate).image
    optimizer.restart()
    again = optimizer.move(noise(4), evaluate)
    fresh = Adam(rate=0.01).move(noise(4), Counted(quadratic))
    assert torch.equal(again.image, fresh.image)


def test_adam_move_does_not_change_its_input() -> None:
    optimizer, evaluate, image = Adam(), Counted(quadratic), noise(2)
    for _ in range(4):
        before = image.clone()
        move = optimizer.move(image, evaluate)
        assert torch.equal(image, before)
        assert not torch.equal(move.image, before)
        image = move.image


def test_adam_continues_from_a_state_of_version_0_2() -> None:
    optimizer, evaluate = Adam(rate=0.02), Counted(quadratic)
    image = optimizer.move(noise(2), evaluate).image
    old = {name: value for name, value in optimizer.state().items() if name != "scale"}
    resumed = Adam()
    resumed.restore(old)
    assert torch.equal(resumed.move(image, evaluate).image, optimizer.move(image, evaluate).image)
