"""Content: the squared distance between features."""

from __future__ import annotations

import torch
from torch import Tensor

from vangram.errors import ShapeError


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """Half the squared error between features and a content picture's: ½ Σ (F − P)².

    Gatys et al. 2016, equation 1. Against a target of zeros it is what the features weigh.

    Args:
        features: (..., C, h, w) activations F.
        target: P, of the same shape.

    Returns:
        A float64 scalar.

    Raises:
        ShapeError: the shapes differ.
    """
    _check(features, target)
    return 0.5 * (features - target).square().sum(dtype=torch.float64)


def content_loss_grad(features: Tensor, target: Tensor) -> Tensor:
    """Gradient of `content_loss` with respect to the features: F − P.

    Gatys et al. 2016, equation 2, which also writes the ReLU's mask (zero where F < 0); here that
    is left to autograd below the layer.

    Raises:
        ShapeError: the shapes differ.
    """
    _check(features, target)
    return features - target


def _check(features: Tensor, target: Tensor) -> None:
    if features.shape != target.shape:
        raise ShapeError(
            f"content: features {tuple(features.shape)} and target {tuple(target.shape)} differ"
        )
