"""Sizes, (height, width) everywhere, and resampling to them."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from vangram.errors import ShapeError, SizeError
from vangram.storage.tensors import bands


def fit(size: tuple[int, int], longer_side: int, *, enlarge: bool = True) -> tuple[int, int]:
    """Give the size of the same proportions whose longer side is as asked.

    Args:
        size: (height, width) to start from.
        longer_side: pixels of the result's longer side.
        enlarge: False returns `size` itself where it is already smaller.

    Returns:
        (height, width), the shorter side rounded half up and at least 1.

    Raises:
        SizeError: a side is below 1.
    """
    if min(*size, longer_side) < 1:
        raise SizeError(
            f"cannot fit {size[1]} x {size[0]} into {longer_side} pixels; use at least 1"
        )
    longest = max(size)
    if longer_side >= longest and not enlarge:
        return size
    height, width = ((2 * side * longer_side + longest) // (2 * longest) for side in size)
    return max(height, 1), max(width, 1)


def resize(
    pixels: Tensor,
    size: tuple[int, int],
    *,
    into: Tensor | None = None,
    release: Callable[[], object] | None = None,
) -> Tensor:
    """Resample to a size: bicubic, with a low-pass filter along a side that shrinks.

    Bicubic interpolation overshoots at edges, so the result is clamped to the range of `pixels`. It
    is computed in bands of rows, so that no other tensor of its size is allocated.

    Args:
        pixels: (B, C, H, W), float32 or float64.
        size: (height, width) of the result.
        into: (B, C, height, width), contiguous, to write to; None: a new tensor.
        release: called after each band, to release the pages of mapped tensors.

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
        raise SizeError(f"cannot resize to {size[1]} x {size[0]} pixels; use at least 1 x 1")
    if tuple(pixels.shape[-2:]) == tuple(size):
        return pixels
    pixels = pixels.detach()
    lowest, highest = torch.aminmax(pixels)
    height, width = size
    out = pixels.new_empty((*pixels.shape[:2], height, width)) if into is None else into
    for rows in bands(out):
        support, weights = _vertical(rows, pixels.shape[-2], height)
        band = torch.matmul(weights.to(pixels), _resized_across(pixels[..., support, :], width))
        out[..., rows, :] = band.clamp_(lowest, highest)
        if release:
            release()
    return out


def _resized_across(pixels: Tensor, width: int) -> Tensor:
    if pixels.shape[-1] == width:  # torch 2.13 gets a width of 1 wrong that stays 1
        return pixels
    size = (pixels.shape[-2], width)
    return functional.interpolate(
        pixels, size=size, mode="bicubic", align_corners=False, antialias=True
    )


def _vertical(rows: slice, source_height: int, height: int) -> tuple[slice, Tensor]:
    """Source rows within the filter's support of some rows of `height`, and their weights.

    Bicubic (Keys 1981, a = -1/2), widened where the height shrinks: what torch does across.

    Returns:
        The S source rows, and float64 weights (rows, S), each row adding up to 1.
    """
    scale = source_height / height
    wide = max(scale, 1.0)
    centres = (torch.arange(rows.start, rows.stop, dtype=torch.float64) + 0.5) * scale
    first = max(math.floor(float(centres[0]) - 2 * wide), 0)
    last = min(math.ceil(float(centres[-1]) + 2 * wide), source_height)
    at = torch.arange(first, last, dtype=torch.float64) + 0.5
    x = ((at - centres[:, None]) / wide).abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    weights = torch.where(x < 1, near, torch.where(x < 2, far, 0.0))
    return slice(first, last), weights / weights.sum(dim=1, keepdim=True)
