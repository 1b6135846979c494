"""The frame before: its result, and where that has moved.

Ruder, Dosovitskiy and Brox, "Artistic Style Transfer for Videos" (GCPR 2016).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vangram.images import Picture, resize
from vangram.images.flow import flow_between, resized_flow, trusted, warped


@dataclass(frozen=True, eq=False)
class Moved:
    """The last result, moved to where its parts are now, both at the last result's size."""

    picture: Tensor
    """(1, 3, H, W)."""
    weights: Tensor
    """(1, 1, H, W): 1 where it can be trusted, 0 where something new is seen."""


def moved(before: Picture, before_frame: Picture, frame: Picture, flow: Tensor | None) -> Moved:
    """Move the last result to where its parts are in a frame.

    Args:
        before: the last result.
        before_frame: the frame that it was made of.
        frame: this one.
        flow: (1, 2, H, W), from this frame to the one before; None: to be found.

    Raises:
        SettingError: the flow has to be found, and OpenCV is not installed.
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
    # Whatever comes from beyond the edge is new.
    down, right = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    x, y = right + flow[0, 0], down + flow[0, 1]
    within = (x >= -0.5) & (x <= size[1] - 0.5) & (y >= -0.5) & (y <= size[0] - 0.5)
    return Moved(warped(before.pixels, flow), weights * within)
