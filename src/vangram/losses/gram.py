"""Style: Gram matrices, the correlations between feature channels, and their distance."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vangram.errors import ShapeError


def gram(features: Tensor) -> Tensor:
    """Gram matrix of a layer's features: G = F Fᵀ, summed over positions.

    Gatys et al. 2016, equation 3. Gram matrices of tiles add up to the whole picture's. Divided by
    the number of positions it no longer depends on the picture's size.

    Args:
        features: (C, h, w) activations.

    Returns:
        (C, C), symmetric, dtype and device of `features`.

    Raises:
        ShapeError: `features` has not three dimensions.
    """
    flat = _flat(features)
    if not _convolution_is_faster(features):
        return flat @ flat.mT
    x, channels = _batched(features), len(flat)
    filters = x.new_empty(channels, channels, 1, 1)
    product: Tensor = torch.ops.aten.convolution_backward(
        x, x, filters, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, (False, True, False)
    )[1]
    return product.view(channels, channels)


def gram_loss(residual: Tensor, positions: int) -> Tensor:
    """One layer's style term: E = Σ (G − A)² / (4 C² M²).

    Gatys et al. 2016, equation 4 (there N is C).

    Args:
        residual: (C, C), G − A, both summed over the whole picture's positions.
        positions: M = H * W of the whole layer.

    Returns:
        A float64 scalar.

    Raises:
        ShapeError: `residual` is not square.
    """
    channels = _channels(residual)
    return residual.square().sum(dtype=torch.float64) / float(4 * channels**2 * positions**2)


def gram_loss_grad(features: Tensor, residual: Tensor, positions: int) -> Tensor:
    """Gradient of `gram_loss` with respect to features: (G − A) F / (C² M²).

    Gatys et al. 2016, equation 6. The ReLU's mask is left to autograd below the layer. The features
    may be one tile's: the residual alone knows the rest of the picture.

    Args:
        features: (C, h, w) activations.
        residual: (C, C), symmetric: Gram matrix minus target, both summed over the whole picture.
        positions: M = H * W of the whole layer, not of the tile.

    Returns:
        (C, h, w), channels innermost in memory, as the convolutions below like it best.

    Raises:
        ShapeError: the channel counts differ, or `residual` is not square.
    """
    flat = _flat(features)
    channels = _channels(residual)
    if len(flat) != channels:
        raise ShapeError(f"style: {len(flat)} channels of features, {channels} of residual")
    scaled = residual / float(channels**2 * positions**2)
    if _convolution_is_faster(features):
        return F.conv2d(_batched(features), scaled[:, :, None, None])[0]
    return (flat.mT @ scaled).mT.view(features.shape)  # symmetric, so it may stand on the right


def _convolution_is_faster(features: Tensor) -> bool:
    """Whether oneDNN, where torch has it, multiplies these faster than BLAS does.

    G is the gradient of a 1×1 convolution's filters, of F with itself, and (G − A) F such a
    convolution; on wide, short products like these oneDNN took less than half of BLAS's time.
    """
    usable: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return usable and features.device.type == "cpu" and features.dtype == torch.float32


def _batched(features: Tensor) -> Tensor:
    """(1, C, h, w), channels innermost; strides that oneDNN recognises, unlike `[None]`'s."""
    return features.movedim(0, 2).contiguous()[None].movedim(3, 1)


def _flat(features: Tensor) -> Tensor:
    if features.dim() != 3:
        raise ShapeError(f"style: features need (C, h, w), not {tuple(features.shape)}")
    return features.flatten(1)


def _channels(residual: Tensor) -> int:
    if residual.dim() != 2 or residual.shape[0] != residual.shape[1]:
        raise ShapeError(f"style: a residual needs (C, C), not {tuple(residual.shape)}")
    return residual.shape[0]
