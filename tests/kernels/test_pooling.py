"""Max and average pooling, odd sizes included, and their gradients."""

from __future__ import annotations

import pytest
import torch

from tests.support import relative_error
from vangram.kernels.pooling import pool, unpool

EXACT = 4 * torch.finfo(torch.float64).eps
"""One product and one quotient, in either order."""


def test_average_of_a_cropped_window_counts_its_values() -> None:
    x = torch.arange(1.0, 10.0).view(1, 1, 3, 3)
    wanted = torch.tensor([[3.0, 4.5], [7.5, 9.0]])
    assert torch.equal(pool(x, 1.0)[0, 0], wanted)
    assert torch.equal(pool(x, 2.0)[0, 0], 2 * wanted)


def test_maximum_of_a_cropped_window_counts_its_values() -> None:
    x = torch.arange(1.0, 10.0).view(1, 1, 3, 3)
    assert torch.equal(pool(x, None)[0, 0], torch.tensor([[5.0, 6.0], [8.0, 9.0]]))


@pytest.fixture(params=["compiled", "torch's"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Max pooling by compiled kernels, and by torch."""
    if request.param != "compiled":
        monkeypatch.setattr("vangram.kernels.pooling.has_kernels", lambda x: False)


@pytest.mark.usefixtures("ways")
@pytest.mark.parametrize("scale", [None, 1.0, 1.7], ids=str)
@pytest.mark.parametrize("size", [(4, 6), (5, 7), (1, 2)])
@pytest.mark.parametrize("levels", [1e9, 2], ids=["all different", "some equal"])
def test_unpool_is_the_gradient_of_pool(
    scale: float | None, size: tuple[int, int], levels: float
) -> None:
    x = (torch.rand(2, 3, *size, dtype=torch.float64) * levels).floor().requires_grad_()
    wanted = pool(x, scale)
    grad = torch.rand_like(wanted)
    (gradient,) = torch.autograd.grad(wanted, x, grad)
    assert torch.equal(pool(x.detach(), scale), wanted.detach())
    assert relative_error(unpool(grad, x.detach(), scale), gradient) < EXACT
