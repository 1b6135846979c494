"""Moments: the sums over positions that every style loss is a function of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vangram.errors import ShapeError


@dataclass(frozen=True)
class Moments:
    """Sums over positions of a layer's features F, or the same per position.

    Those of tiles add up to the whole picture's.
    """

    products: Tensor
    """G = F Fᵀ, (C, C), symmetric."""
    sums: Tensor | None = None
    """s = Σ F, (C,); None where no loss needs them."""

    def __add__(self, other: Moments) -> Moments:
        """Of two parts of a picture together."""
        if self.sums is None or other.sums is None:
            return Moments(self.products + other.products)
        return Moments(self.products + other.products, self.sums + other.sums)

    def __mul__(self, share: float) -> Moments:
        """A share of them."""
        sums = None if self.sums is None else self.sums * share
        return Moments(self.products * share, sums)

    def __truediv__(self, positions: float) -> Moments:
        """Per position."""
        sums = None if self.sums is None else self.sums / positions
        return Moments(self.products / positions, sums)

    @property
    def zero(self) -> Moments:
        """Of features of zero, of the same width."""
        sums = None if self.sums is None else torch.zeros_like(self.sums)
        return Moments(torch.zeros_like(self.products), sums)


@dataclass(frozen=True)
class MomentsGrad:
    """What a loss gains with a layer's moments, as the features' gradient needs it."""

    products: Tensor
    """∂E/∂G + (∂E/∂G)ᵀ, (C, C), symmetric."""
    sums: Tensor | None = None
    """∂E/∂s, (C,); None: the loss does not depend on the sums."""


def feature_moments(features: Tensor, *, sums: bool, weights: Tensor | None = None) -> Moments:
    """Moments of a layer's features: G = F Fᵀ, and s = Σ F where they are asked for.

    With weights w of the positions, G = Σ w F Fᵀ and s = Σ w F: guided Gram matrices (Gatys et al.
    2017, equation 4, where w is the square of the guidance channel).

    G is the gradient of a 1×1 convolution's filters, of F with itself, and s that of its bias if
    the gradient is F and so comes in the same call.

    Args:
        features: (C, h, w) activations.
        sums: whether s is needed.
        weights: (h, w), not negative; all 1 if none.

    Returns:
        (C, C) and (C,), dtype and device of `features`.

    Raises:
        ShapeError: `features` has not three dimensions.
    """
    channels = _channels(features)
    counted = features if weights is None else features * weights
    if not _convolution_is_faster(features):
        flat = counted.flatten(1)
        return Moments(flat @ features.flatten(1).mT, flat.sum(1) if sums else None)
    x = _batched(features)
    y = x if weights is None else _batched(counted)
    filters = x.new_empty(channels, channels, 1, 1)
    bias = [channels] if sums else None
    _, products, summed = torch.ops.aten.convolution_backward(
        y, x, filters, bias, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, (False, True, sums)
    )
    return Moments(products.view(channels, channels), summed if sums else None)


def feature_moments_grad(
    features: Tensor, slope: MomentsGrad, weights: Tensor | None = None
) -> Tensor:
    """Gradient with respect to features of a function of their moments.

    (∂E/∂G + (∂E/∂G)ᵀ) F + ∂E/∂s, the last at every position. The features may be one tile's: the
    slope alone knows the rest of the picture. Where oneDNN multiplies, ∂E/∂s is the bias of a
    convolution whose filters are the other factor.

    Args:
        features: (C, h, w) activations.
        slope: of the whole picture, dtype and device of `features`.
        weights: as in `feature_moments`; positions count in proportion.

    Returns:
        (C, h, w), channels innermost in memory, as oneDNN's convolutions like it best.

    Raises:
        ShapeError: the channel counts differ.
    """
    channels, factor = _channels(features), slope.products
    if channels != len(factor):
        raise ShapeError(f"style: {channels} channels of features, {len(factor)} of residual")
    if _convolution_is_faster(features):
        gradient = F.conv2d(_batched(features), factor[:, :, None, None], slope.sums)[0]
    else:
        product = features.flatten(1).mT @ factor  # symmetric, so it may stand on the right
        if slope.sums is not None:
            product += slope.sums
        gradient = product.mT.view(features.shape)
    return gradient if weights is None else gradient.mul_(weights)


def _convolution_is_faster(features: Tensor) -> bool:
    """Whether oneDNN, where torch has it, multiplies these faster than BLAS does.

    On wide, short products like these oneDNN took less than half of BLAS's time.
    """
    usable: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return usable and features.device.type == "cpu" and features.dtype == torch.float32


def _batched(features: Tensor) -> Tensor:
    """(1, C, h, w), channels innermost; strides that oneDNN recognises, unlike `[None]`'s."""
    return features.movedim(0, 2).contiguous()[None].movedim(3, 1)


def _channels(features: Tensor) -> int:
    if features.dim() != 3:
        raise ShapeError(f"style: features need (C, h, w), not {tuple(features.shape)}")
    return features.shape[0]
