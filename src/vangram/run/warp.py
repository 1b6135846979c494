"""Earlier frames: their results, warped to the present frame.

Ruder, Dosovitskiy and Brox, "Artistic Style Transfer for Videos" (GCPR 2016).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vangram.images import Picture, resize
from vangram.images.flow import (
    flow_between,
    flows_between,
    resized_flow,
    same_colours,
    trusted,
    warped,
)


@dataclass(frozen=True, eq=False)
class WarpedResult:
    """The results of other frames, warped to the present frame, at their own size."""

    pixels: Tensor
    """ω, (1, 3, H, W)."""
    trust: Tensor
    """c, (1, 1, H, W) in [0, 1]."""
    weights: Tensor | None = None
    """Of the term against flicker, (1, 1, H, W) in [0, 1]; None: `trust`."""
    start: Tensor | None = None
    """(1, 3, H, W), the first image; None: `pixels` where they are trusted, else the photograph."""


def warp_result(
    before: Picture,
    before_frame: Picture,
    frame: Picture,
    flow: Tensor | None = None,
    flow_back: Tensor | None = None,
) -> WarpedResult:
    """Warp the last result to the present frame.

    Args:
        before: the last result.
        before_frame: the frame that it was made from.
        frame: the present one.
        flow: (1, 2, H, W), from the present frame to the one before; None: estimated, both ways.
        flow_back: from the frame before to the present one; None: estimated.

    Raises:
        SettingError: a flow has to be estimated, and OpenCV is not installed.
    """
    size = before.size
    now, then = (
        p.pixels if p.size == size else resize(p.pixels, size) for p in (frame, before_frame)
    )
    if flow is None:
        flow, back = flows_between(now, then)
    else:
        flow = resized_flow(flow, size)
        back = flow_between(then, now) if flow_back is None else resized_flow(flow_back, size)
    moved = warped(torch.cat((before.pixels, then), dim=1), flow)
    return WarpedResult(moved[:, :3], trusted(flow, back) * same_colours(moved[:, 3:], now))
