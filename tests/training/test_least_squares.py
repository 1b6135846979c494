"""Least squares that a student begins with."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from training.least_squares import begin, informative, rectified
from training.teacher import SCALE
from vangram.networks import FeatureNetwork
from vangram.networks.topology import Topology

TEACHER = Topology((6, 6, 8, 8, 8), (2, 1, 1, 1, 1), padding="reflect")
TAPS = ("relu1_1", "relu3_1", "relu5_1")


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_rectified_least_squares_recover_what_made_the_outputs() -> None:
    inputs, weights = normal(2000, 5, seed=0), normal(6, 4, seed=1)
    answer = rectified(inputs, inputs @ weights[:5] + weights[5], ridge=0.0)
    torch.testing.assert_close(answer, weights, rtol=1e-5, atol=1e-5)  # float32


def test_rectified_least_squares_spend_nothing_where_relu_hides_the_outputs() -> None:
    """Outputs that a line fits where they are positive, and not at all where ReLU hides them."""
    inputs = normal(2000, 3, seed=0)
    line = inputs.sum(1, keepdim=True)
    hidden = torch.where(line > 0, line, line - 3 * normal(2000, 1, seed=1).abs())
    plain, *_ = torch.linalg.lstsq(nn.functional.pad(inputs, (0, 1), value=1.0), hidden)
    error = {
        name: ((inputs @ answer[:3] + answer[3]).relu() - hidden.relu()).square().mean()
        for name, answer in (("plain", plain), ("rectified", rectified(inputs, hidden, 0.0)))
    }
    assert error["rectified"] < 0.2 * error["plain"]


def test_informative_channels_tell_all_others() -> None:
    """Of copies and sums of three sources, three channels are enough."""
    sources = normal(500, 3, seed=0)
    features = sources @ normal(3, 9, seed=1)
    chosen = informative(features, 3)
    assert len(set(chosen.tolist())) == 3
    told = features[:, chosen]
    answer = torch.linalg.lstsq(told, features).solution
    torch.testing.assert_close(told @ answer, features, rtol=1e-3, atol=1e-3)  # float32


def test_informative_channels_begin_with_the_strongest() -> None:
    features = normal(500, 4, seed=0) * torch.tensor([1.0, 3.0, 2.0, 0.5])
    assert informative(features, 4).tolist() == [1, 2, 0, 3]


def networks(
    widths: tuple[int, ...], *, heads: bool = True
) -> tuple[FeatureNetwork, FeatureNetwork]:
    """A student of these widths, and a teacher whose activations are about `SCALE`."""
    torch.manual_seed(0)
    teacher = FeatureNetwork(TEACHER).requires_grad_(False)
    for conv in teacher.modules():
        if isinstance(conv, nn.Conv2d):
            nn.init.kaiming_normal_(conv.weight)
    teacher.get_submodule("conv1_1").weight.mul_(SCALE)  # type: ignore[operator]
    taps = {layer: TEACHER.widths[int(layer[4]) - 1] for layer in TAPS if heads}
    return FeatureNetwork(replace(TEACHER, widths=widths, heads=taps)).freeze(), teacher


def image(count: int, seed: int) -> Tensor:
    """Pictures (count, 3, 64, 64) in [0, 1]."""
    return torch.rand(count, 3, 64, 64, generator=torch.Generator().manual_seed(seed))


def unexplained(student: FeatureNetwork, teacher: FeatureNetwork) -> dict[str, float]:
    """1 - R² by layer, on other crops than `begin` had."""
    pictures = image(4, seed=9)
    got, wanted = student(pictures, TAPS), teacher(pictures, TAPS)
    return {
        layer: float(
            (got[layer] - wanted[layer] / SCALE).square().mean() / (wanted[layer] / SCALE).var()
        )
        for layer in TAPS
    }


def crops() -> list[Tensor]:
    return [image(8, seed) for seed in range(8)]


@pytest.mark.parametrize("heads", [True, False])
def test_a_student_as_wide_as_its_teacher_begins_as_the_teacher(heads: bool) -> None:
    student, teacher = networks(TEACHER.widths, heads=heads)
    begin(student, teacher, crops())
    assert max(unexplained(student, teacher).values()) < 1e-2  # ridges shrink it a little


def test_a_narrower_student_begins_near_its_teacher() -> None:
    student, teacher = networks((4, 5, 6, 6, 8))
    begin(student, teacher, crops())
    assert all(0 < each < 0.8 for each in unexplained(student, teacher).values())


def test_convolutions_that_are_kept_stay_as_they_are() -> None:
    student, teacher = networks((4, 5, 6, 6, 8))
    before = {name: p.clone() for name, p in student.state_dict().items()}
    begin(student, teacher, crops(), kept=3)
    changed = {name for name, p in student.state_dict().items() if not torch.equal(p, before[name])}
    layers = {name[4:7] for name in changed}
    assert layers == {"3_1", "4_1", "5_1"}
