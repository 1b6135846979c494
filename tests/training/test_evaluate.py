"""The comparison of features: R², the Gram error, and what does not see the padding."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.support import NARROW_VGG19, batched, he_initialised
from training.evaluate import Comparison, Level, inside, report
from training.teacher import LEVELS, VGG19


def features(seed: int) -> Tensor:
    """Activations (4, 6, 5)."""
    return torch.rand(4, 6, 5, generator=torch.Generator().manual_seed(seed))


def test_comparison_with_itself_is_perfect() -> None:
    comparison = Comparison()
    comparison.add(features(0), features(0))
    assert comparison.r2 == 1
    assert comparison.gram_error == 0


def test_comparison_of_the_mean_has_no_r2() -> None:
    targets = [features(0), features(1)]
    mean = torch.stack(targets).mean((0, 2, 3))[:, None, None].expand(4, 6, 5)
    comparison = Comparison()
    for target in targets:
        comparison.add(mean, target)
    assert comparison.r2 == pytest.approx(0, abs=1e-6)  # float32 means


def test_comparison_of_features_of_zero_has_a_gram_error_of_one() -> None:
    comparison = Comparison()
    for seed in (0, 1):
        comparison.add(torch.zeros(4, 6, 5), features(seed))
    assert comparison.gram_error == pytest.approx(1)


@pytest.mark.parametrize("level", LEVELS)
def test_inside_does_not_see_the_padding(level: str) -> None:
    side = 2 * VGG19.reach(level) + 4 * VGG19.stride(level)
    side = -(-side // 16) * 16
    picture = batched(side, side, seed=1)
    got = [
        he_initialised(replace(NARROW_VGG19, padding=padding))(picture, [level])[level][0]
        for padding in ("zeros", "reflect")
    ]
    assert not torch.allclose(*got)
    zeros, reflected = (inside(level, each) for each in got)
    assert zeros.numel() > 0
    torch.testing.assert_close(zeros, reflected)
    # One position further out does.
    height = got[0].shape[1]
    margin = (height - zeros.shape[1]) // 2 - 1
    wider = (..., slice(margin, height - margin), slice(margin, height - margin))
    assert not torch.allclose(got[0][wider], got[1][wider])


def test_report_is_blank_where_no_position_is_inside(capsys: pytest.CaptureFixture[str]) -> None:
    level, target = Level(), torch.rand(4, 6, 6)
    assert inside("relu5_1", target).numel() == 0
    for comparison in (level.reflected, level.literal):
        comparison.add(target, target)
    level.inside.add(inside("relu5_1", target), inside("relu5_1", target))
    report("Photographs", {"relu5_1": level})
    assert (
        capsys.readouterr().out.splitlines()[-1] == "| relu5_1 | 1.000 | 0.000 |  | 1.000 | 0.000 |"
    )
