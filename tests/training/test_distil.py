"""The schedule and the losses that a student is taught by."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from training.descent import WARM_UP, Variances, rate, relative_gram_error
from training.distil import DEEP, TAUGHT, Student, heads_of
from training.teacher import LEVELS
from vangram.networks.registry import VGG19_LITE
from vangram.networks.topology import Topology

STEPS = 1000


@pytest.mark.parametrize("decay", [0.2, 0.8, 1.0])
def test_rate_rises_stays_and_falls_to_nothing(decay: float) -> None:
    rates = [rate(step, STEPS, decay) for step in range(STEPS + 1)]
    assert rates[0] == pytest.approx(1 / WARM_UP)
    assert rates[STEPS] == 0
    assert all(0 < each <= 1 for each in rates[:STEPS])
    top = rates.index(max(rates))
    assert all(before < after for before, after in pairwise(rates[: top + 1]))
    assert all(before >= after for before, after in pairwise(rates[top:]))


def test_rate_is_at_its_peak_from_the_warm_up_to_the_decay() -> None:
    assert {rate(step, STEPS, 0.4) for step in range(WARM_UP - 1, 601)} == {1.0}
    assert rate(WARM_UP - 2, STEPS, 0.4) < 1
    assert rate(601, STEPS, 0.4) < 1


def test_rate_falls_linearly() -> None:
    assert [rate(step, STEPS, 0.4) for step in (700, 800, 900)] == pytest.approx([0.75, 0.5, 0.25])


def test_rate_without_decay_ends_at_its_peak() -> None:
    assert rate(STEPS - 1, STEPS, 0.0) == 1
    assert rate(STEPS, STEPS, 0.0) == 0


def test_rate_of_a_longer_run_is_never_lower() -> None:
    for step in range(STEPS):
        assert rate(step, 2 * STEPS, 0.8) >= rate(step, STEPS, 0.8)


def batch(seed: int) -> torch.Tensor:
    """Activations (2, 4, 3, 5)."""
    return torch.rand(2, 4, 3, 5, generator=torch.Generator().manual_seed(seed))


def test_relative_gram_error_is_zero_for_the_target_and_one_for_features_of_zero() -> None:
    assert relative_gram_error(batch(0), batch(0)) == pytest.approx(0, abs=1e-6)
    assert relative_gram_error(torch.zeros(2, 4, 3, 5), batch(0)) == pytest.approx(1)
    # Twice the features are four times the Gram matrix.
    assert relative_gram_error(2 * batch(0), batch(0)) == pytest.approx(3)


def test_variances_make_a_constant_guess_cost_one() -> None:
    target = batch(0)
    mean = target.mean((0, 2, 3), keepdim=True).expand_as(target)
    error = Variances().relative("relu1_1", mean, target)
    assert float(error) == pytest.approx(1, rel=1e-5)  # float32
    assert Variances().relative("relu1_1", target, target) == 0


def test_student_gives_of_replayed_pictures_the_deep_layers_that_it_gives_of_fresh_ones() -> None:
    topology = Topology(
        (4, 4, 4, 6, 6), (2, 2, 4, 4, 1), heads=dict.fromkeys(TAUGHT, 5), padding="reflect"
    )
    student = Student(topology, seed=1)
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    whole, parted = student(images, 3), student(images, 1)
    for layer in TAUGHT:
        assert whole[layer].amax() > 0
        wanted = whole[layer] if layer in DEEP else whole[layer][:1]
        # Convolutions of another batch may add in another order.
        torch.testing.assert_close(parted[layer], wanted, rtol=1e-4, atol=1e-5)


def test_student_teaches_its_shallow_blocks_by_the_fresh_pictures_alone() -> None:
    topology = Topology(
        (4,) * 5, (2, 2, 4, 4, 1), heads=dict.fromkeys(TAUGHT, 5), padding="reflect"
    )
    student = Student(topology, seed=1)
    images = torch.rand(2, 3, 32, 32, requires_grad=True)
    student(images, 1)["relu5_1"].sum().backward()
    assert images.grad is not None
    assert images.grad[0].abs().sum() > 0
    assert images.grad[1].abs().sum() == 0


def test_heads_are_where_the_trunk_is_not_as_wide_as_vgg19() -> None:
    assert heads_of(VGG19_LITE, LEVELS) == VGG19_LITE.heads
    other = replace(VGG19_LITE, widths=(64, 96, 128, 512, 384), wide={"4_2": 320})
    assert heads_of(other, LEVELS) == {
        "relu2_1": 128, "relu3_1": 256, "relu4_2": 512, "relu5_1": 512,
    }  # fmt: skip
