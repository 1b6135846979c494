"""Content loss: the squared distance between features."""

from __future__ import annotations

import torch
from torch import Tensor

from vangram.errors import ShapeError


def content_loss(features: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Half the squared error between features and their target: ½ Σ w (F − P)².

    Gatys et al. 2016, equation 1, where all w are 1.

    Args:
        features: (..., C, h, w) activations F.
        target: P, features of the content image, of the same shape.
        weights: (h, w), of the positions, non-negative; None: all 1.

    Returns:
        A float64 scalar.

    Raises:
        ShapeError: the shapes differ.
    """
    _check(features, target)
    squares = (features - target).square()
    return 0.5 * (squares if weights is None else squares.mul_(weights)).sum(dtype=torch.float64)


def content_loss_grad(features: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Gradient of `content_loss` with respect to the features: w (F − P).

    Gatys et al. 2016, equation 2, without the ReLU's mask (zero where F < 0), which the backward
    pass applies below the layer.

    Raises:
        ShapeError: the shapes differ.
    """
    _check(features, target)
    difference = features - target
    return difference if weights is None else difference.mul_(weights)


def _check(features: Tensor, target: Tensor) -> None:
    if features.shape != target.shape:
        raise ShapeError(
            f"content: features {tuple(features.shape)} and target {tuple(target.shape)} differ"
        )
