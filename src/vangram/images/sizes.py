"""Sizes, (height, width) everywhere, and resampling to them."""

import torch
from torch import Tensor
from torch.nn import functional

from vangram.errors import ShapeError, SizeError


def fit(size: tuple[int, int], longer_side: int, *, enlarge: bool = True) -> tuple[int, int]:
    """Give the size of the same proportions whose longer side is as asked.

    Args:
        size: (height, width) to start from.
        longer_side: pixels of the longer side to arrive at.
        enlarge: False leaves a picture that is already smaller as it is.

    Returns:
        (height, width), the shorter side rounded half up and at least 1.

    Raises:
        SizeError: a side is below 1.
    """
    if min(*size, longer_side) < 1:
        raise SizeError(f"cannot fit {size[0]}x{size[1]} into {longer_side} pixels; use at least 1")
    longest = max(size)
    if longer_side >= longest and not enlarge:
        return size
    height, width = ((2 * side * longer_side + longest) // (2 * longest) for side in size)
    return max(height, 1), max(width, 1)


def resize(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample to a size: bicubic, low-pass filtered along a side that shrinks.

    Bicubic overshoots at edges, so the result is clamped to the range of `pixels`.

    Args:
        pixels: (B, C, H, W), float32 or float64.
        size: (height, width) to arrive at.

    Returns:
        (B, C, height, width), contiguous; `pixels` itself where the size is already right.

    Raises:
        ShapeError: `pixels` is not (B, C, H, W), is empty or holds no floating-point numbers.
        SizeError: a side is below 1.
    """
    if pixels.ndim != 4 or pixels.numel() == 0 or not pixels.is_floating_point():
        raise ShapeError(
            f"resize takes (B, C, H, W) floating-point pixels, not {tuple(pixels.shape)}"
            f" of {pixels.dtype}"
        )
    if min(size) < 1:
        raise SizeError(f"cannot resize to {size[0]}x{size[1]}; use at least 1x1")
    if tuple(pixels.shape[-2:]) == tuple(size):
        return pixels
    lowest, highest = torch.aminmax(pixels.detach())
    resized = functional.interpolate(
        pixels, size=tuple(size), mode="bicubic", align_corners=False, antialias=True
    )
    return resized.clamp_(lowest, highest).contiguous()
