"""The frame before: its result, warped to the present frame.

Ruder, Dosovitskiy and Brox, "Artistic Style Transfer for Videos" (GCPR 2016).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vangram.images import Picture, resize
from vangram.images.flow import flow_between, resized_flow, trusted, warped


@dataclass(frozen=True, eq=False)
class WarpedResult:
    """The last result, warped to the present frame, at its own size."""

    pixels: Tensor
    """(1, 3, H, W)."""
    trust: Tensor
    """(1, 1, H, W): 1 where the flow is consistent, 0 in occlusions and at edges."""


def warp_result(
    before: Picture, before_frame: Picture, frame: Picture, flow: Tensor | None
) -> WarpedResult:
    """Warp the last result to the present frame.

    Args:
        before: the last result.
        before_frame: the frame that it was made from.
        frame: the present one.
        flow: (1, 2, H, W), from the present frame to the one before; None: computed by OpenCV.

    Raises:
        SettingError: the flow has to be computed, and OpenCV is not installed.
    """
    size = before.size
    now, then = (
        p.pixels if p.size == size else resize(p.pixels, size) for p in (frame, before_frame)
    )
    if flow is not None:
        flow = resized_flow(flow, size)
        weights = torch.ones(1, 1, *size)
    elif torch.equal(now, then):
        flow, weights = torch.zeros(1, 2, *size), torch.ones(1, 1, *size)
    else:
        flow = flow_between(now, then)
        weights = trusted(flow, flow_between(then, now))
    # Pixels that come from beyond the edge have no past.
    down, right = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    x, y = right + flow[0, 0], down + flow[0, 1]
    within = (x >= -0.5) & (x <= size[1] - 0.5) & (y >= -0.5) & (y <= size[0] - 0.5)
    return WarpedResult(warped(before.pixels, flow), weights * within)
