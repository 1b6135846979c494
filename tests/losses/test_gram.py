"""The Gram matrix and the style term against numbers by hand, and its gradient against autograd."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.support import closed, relative_error, rounding
from vangram.errors import ShapeError
from vangram.losses import gram_loss, gram_loss_grad, gram_matrix

ROUNDING = rounding(4 * 6, layers=3, condition=10)
"""Gram matrix, residual and product; a residual G − A of a tenth of G."""


def features(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape or (5, 4, 6), generator=generator, dtype=torch.float64)


def literal_loss(values: Tensor, target: Tensor) -> Tensor:
    """Σ (G − A)² / (4 C² M²), written out with loops over channels only."""
    channels, positions = values.shape[0], values[0].numel()
    loss = values.new_zeros(())
    for i in range(channels):
        for j in range(channels):
            loss = loss + ((values[i] * values[j]).sum() - target[i, j]) ** 2
    return loss / (4 * channels**2 * positions**2)


def autograd(values: Tensor, target: Tensor) -> Tensor:
    values = values.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(literal_loss(values, target), values)
    return gradient


def closed_form(values: Tensor, target: Tensor) -> Tensor:
    return gram_loss_grad(values, gram_matrix(values) - target, values[0].numel())


def test_gram_equals_the_products_by_hand() -> None:
    values = torch.tensor([[[1.0, 2.0], [0.0, 3.0]], [[4.0, 0.0], [1.0, -1.0]]])
    first = 1 * 1 + 2 * 2 + 0 * 0 + 3 * 3
    mixed = 1 * 4 + 2 * 0 + 0 * 1 + 3 * -1
    second = 4 * 4 + 0 * 0 + 1 * 1 + -1 * -1
    assert gram_matrix(values).tolist() == [[first, mixed], [mixed, second]] == [[14, 1], [1, 18]]


def test_gram_is_symmetric() -> None:
    matrix = gram_matrix(features(0, 17, 9, 11).float())
    # Both halves are the same products, which a library may sum in another order.
    allowed = rounding(9 * 11, dtype=torch.float32) * float(matrix.diagonal().max())
    torch.testing.assert_close(matrix, matrix.mT, rtol=0, atol=allowed)
    assert float(matrix.diagonal().min()) > 0


def test_gram_adds_up_over_tiles() -> None:
    values = features(1)
    tiles = [values[:, :1, :], values[:, 1:, :2], values[:, 1:, 2:]]
    total = sum((gram_matrix(tile) for tile in tiles), torch.zeros(5, 5, dtype=torch.float64))
    torch.testing.assert_close(total, gram_matrix(values), rtol=ROUNDING, atol=ROUNDING)


def test_gram_of_overlapping_tiles_is_detected() -> None:
    values = features(1)
    total = gram_matrix(values[:, :2]) + gram_matrix(values[:, 1:])
    assert not torch.allclose(total, gram_matrix(values), rtol=ROUNDING, atol=ROUNDING)


def test_gram_loss_equals_the_sum_by_hand() -> None:
    residual = torch.tensor([[2.0, -1.0], [-1.0, 4.0]])
    by_hand = (2**2 + 1 + 1 + 4**2) / (4 * 2**2 * 3**2)
    assert float(gram_loss(residual, 3)) == pytest.approx(by_hand, rel=1e-15)  # one quotient
    assert gram_loss(residual, 3).dtype == torch.float64


def test_gram_loss_equals_the_literal_formula() -> None:
    values, target = features(2), gram_matrix(features(3))
    got = gram_loss(gram_matrix(values) - target, values[0].numel())
    assert float(got) == pytest.approx(float(literal_loss(values, target)), rel=ROUNDING)


def test_gram_grad_equals_the_product_by_hand() -> None:
    values = torch.tensor([[[1.0, 2.0]], [[3.0, 5.0]]])
    residual = torch.tensor([[2.0, -1.0], [-1.0, 4.0]])
    scale = 2**2 * 7**2
    by_hand = [
        [[(2 * 1 - 1 * 3) / scale, (2 * 2 - 1 * 5) / scale]],
        [[(-1 * 1 + 4 * 3) / scale, (-1 * 2 + 4 * 5) / scale]],
    ]
    torch.testing.assert_close(gram_loss_grad(values, residual, 7), torch.tensor(by_hand))


def test_gram_grad_matches_autograd_in_float64() -> None:
    values, target = features(4), gram_matrix(features(5))
    torch.testing.assert_close(
        closed_form(values, target), autograd(values, target), rtol=ROUNDING, atol=ROUNDING
    )


def test_gram_grad_with_a_residual_of_other_features_is_detected() -> None:
    values, target = features(4), gram_matrix(features(5))
    wrong = gram_loss_grad(values, gram_matrix(values * 1.001) - target, values[0].numel())
    assert not torch.allclose(wrong, autograd(values, target), rtol=ROUNDING, atol=ROUNDING)


def test_gram_grad_with_one_position_less_is_detected() -> None:
    values, target = features(4), gram_matrix(features(5))
    wrong = gram_loss_grad(values, gram_matrix(values) - target, values[0].numel() - 1)
    assert not torch.allclose(wrong, autograd(values, target), rtol=ROUNDING, atol=ROUNDING)


def test_gram_grad_agrees_with_finite_differences() -> None:
    target = gram_matrix(features(7, 3, 2, 2))
    values = features(6, 3, 2, 2).requires_grad_()
    function = closed(
        lambda x: gram_loss(gram_matrix(x) - target, 4), lambda x: closed_form(x, target)
    )
    assert torch.autograd.gradcheck(function, (values,))


def test_gram_grad_of_a_tile_equals_the_whole() -> None:
    values, target = features(8), gram_matrix(features(9))
    residual, positions = gram_matrix(values) - target, values[0].numel()
    tile = gram_loss_grad(values[:, 1:3, 2:], residual, positions)
    torch.testing.assert_close(
        tile, autograd(values, target)[:, 1:3, 2:], rtol=ROUNDING, atol=ROUNDING
    )


def test_gram_is_the_same_in_every_memory_layout() -> None:
    values, target = features(10), gram_matrix(features(11))
    innermost = values[None].to(memory_format=torch.channels_last)[0]
    assert innermost.stride() != values.stride()
    torch.testing.assert_close(
        gram_matrix(innermost), gram_matrix(values), rtol=ROUNDING, atol=ROUNDING
    )
    torch.testing.assert_close(
        closed_form(innermost, target), closed_form(values, target), rtol=ROUNDING, atol=ROUNDING
    )


def test_gram_grad_keeps_the_dtype_of_the_features() -> None:
    values = features(12).float()
    assert closed_form(values, gram_matrix(values) * 0.5).dtype == torch.float32


@pytest.mark.parametrize("channels_last", [True, False])
def test_fast_products_agree_with_float64(channels_last: bool) -> None:
    values = features(0, 48, 40, 56).float()
    if channels_last:
        values = values.movedim(0, 2).contiguous().movedim(2, 0)
    residual = gram_matrix(features(0, 48, 40, 56))
    single = rounding(40 * 56, dtype=torch.float32)
    assert relative_error(gram_matrix(values).double(), gram_matrix(values.double())) < single
    fast = gram_loss_grad(values, residual.float(), 2240).double()
    assert relative_error(fast, gram_loss_grad(values.double(), residual, 2240)) < single


def test_gram_shape_error_quotes_the_shape() -> None:
    with pytest.raises(ShapeError, match=r"\(C, h, w\), not \(1, 5, 4, 6\)"):
        gram_matrix(features(0)[None])


def test_gram_loss_shape_error_quotes_the_shape() -> None:
    with pytest.raises(ShapeError, match=r"\(C, C\), not \(2, 3\)"):
        gram_loss(torch.zeros(2, 3), 4)


def test_gram_grad_shape_error_quotes_both_channel_counts() -> None:
    with pytest.raises(ShapeError, match="5 channels of features, 4 of residual"):
        gram_loss_grad(features(0), torch.zeros(4, 4), 24)


def test_squared_positions_beyond_int64_do_not_overflow() -> None:
    positions = 8192**2
    assert 4 * 64**2 * positions**2 > 2**63
    residual = torch.full((64, 64), 2.0 * positions, dtype=torch.float64)
    assert float(gram_loss(residual, positions)) == pytest.approx(1.0)
    gradient = gram_loss_grad(torch.ones(64, 2, 2, dtype=torch.float64), residual, positions)
    assert gradient.flatten().tolist() == pytest.approx([2.0 / 64 / positions] * 256)
