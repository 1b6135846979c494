"""Matrix products over channels, for Gram matrices and their gradients: wide, short products.

On the CPU in float32, oneDNN's 1×1 convolution takes less than half of BLAS's time for them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vangram.kernels.pointwise import convolve_pointwise
from vangram.kernels.symmetric import has_symmetric_products, symmetric_products


def channel_products(
    a: Tensor, b: Tensor, *, sums: bool, rows: int | None = None
) -> tuple[Tensor, Tensor | None]:
    """A Bᵀ, summed over positions, and Σ A if `sums`.

    Args:
        a: (C, h, w).
        b: of the same shape.
        sums: compute Σ A.
        rows: of a band, whose sums are added to those of others in float64; None: one sum.

    Returns:
        (C, C) and (C,) or None; of bands in float64.
    """
    if rows is None:
        return _channel_products(a, b, sums=sums)
    if a is b and has_symmetric_products(a):
        products = symmetric_products(_batched(a), rows)
        found = [part.sum((1, 2)) for part in torch.split(a, rows, 1)] if sums else []
        return products, torch.stack(found).sum(0, dtype=torch.float64) if sums else None
    bands = zip(torch.split(a, rows, 1), torch.split(b, rows, 1), strict=True)
    each = [_channel_products(x, x if a is b else y, sums=sums) for x, y in bands]
    products = torch.stack([products for products, _ in each]).sum(0, dtype=torch.float64)
    if not sums:
        return products, None
    return products, torch.stack([s for _, s in each if s is not None]).sum(0, dtype=torch.float64)


def _channel_products(a: Tensor, b: Tensor, *, sums: bool) -> tuple[Tensor, Tensor | None]:
    """`channel_products` in one sum.

    Of A = B a compiled kernel computes one half. By oneDNN it is the gradient of a 1×1
    convolution's filters and bias, with input B and output gradient A.
    """
    channels = len(a)
    if a is b and has_symmetric_products(a):
        return symmetric_products(_batched(a)), a.sum((1, 2)) if sums else None
    if not _one_dnn_is_faster(a):
        flat = a.flatten(1)
        return flat @ b.flatten(1).mT, flat.sum(1) if sums else None
    x = _batched(b)
    y = x if a is b else _batched(a)
    filters = x.new_empty(channels, channels, 1, 1)
    bias = [channels] if sums else None
    _, products, summed = torch.ops.aten.convolution_backward(
        y, x, filters, bias, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, (False, True, sums)
    )
    return products.view(channels, channels), summed if sums else None


def mix_channels(matrix: Tensor, x: Tensor, bias: Tensor | None = None) -> Tensor:
    """S X + t, with t added at every position.

    Args:
        matrix: S, (C, C), symmetric.
        x: X, (C, h, w).
        bias: t, (C,); None: zero.

    Returns:
        (C, h, w), channels last in memory, the layout that the CPU is fastest with.
    """
    if x.device.type == "cpu":
        return convolve_pointwise(_batched(x), matrix, bias)[0]
    product = x.flatten(1).mT @ matrix
    if bias is not None:
        product += bias
    return product.mT.view(x.shape)


def _one_dnn_is_faster(x: Tensor) -> bool:
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and x.device.type == "cpu" and x.dtype == torch.float32


def _batched(x: Tensor) -> Tensor:
    """(1, C, h, w), channels last, with strides that oneDNN recognises, unlike `[None]`'s."""
    return x.movedim(0, 2).contiguous()[None].movedim(3, 1)
