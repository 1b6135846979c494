"""Pixels that stay the photograph's: a wrapper of an objective."""

from __future__ import annotations

import torch
from torch import Tensor

from vangram.objective.evaluation import Evaluate, Evaluation
from vangram.storage.tensors import Storage, bands


class KeepPixels:
    """The objective with some pixels replaced by the photograph's.

    x -> f(k P + (1 − k) x); its gradient is (1 − k) ∇f.

    Args:
        evaluate: f.
        photograph: P, (1, 3, H, W).
        keep: k, (1, 1, H, W) in [0, 1].
        storage: where tensors of the image's size live.
    """

    def __init__(
        self, evaluate: Evaluate, photograph: Tensor, keep: Tensor, storage: Storage
    ) -> None:
        self.evaluate = evaluate
        self.photograph, self.keep = photograph, keep
        self.storage = storage

    def __call__(self, image: Tensor) -> Evaluation:
        """Evaluate at (1, 3, H, W), which is read and not changed."""
        mixed = self.storage.empty(tuple(image.shape), image)
        mixed.copy_(image.detach())
        restore_kept(mixed, self.photograph, self.keep, self.storage)
        found = self.evaluate(mixed)
        for rows in bands(found.gradient):
            found.gradient[..., rows, :] *= 1 - self.keep[..., rows, :]
            self.storage.release()
        return found


def restore_kept(pixels: Tensor, photograph: Tensor, keep: Tensor, storage: Storage) -> None:
    """Replace the kept pixels of an image (1, 3, H, W) by the photograph's, in place."""
    for rows in bands(pixels):
        at = (..., rows, slice(None))
        pixels[at] = torch.lerp(pixels[at], photograph[at], keep[at])  # exact where all is kept
        storage.release()
