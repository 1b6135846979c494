"""The frame before: its result, and where that has moved.

Ruder, Dosovitskiy and Brox, "Artistic Style Transfer for Videos" (GCPR 2016).
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import Tensor

from vangram.images import Picture, Source, file_sha256, read_picture, resize
from vangram.images.flow import flow_between, read_flow, resized_flow, trusted, warped
from vangram.settings.record import Input


@dataclass(frozen=True, eq=False)
class Before:
    """The frame before this one."""

    picture: Picture
    """Its result."""
    frame: Picture
    flow: Tensor | None = None
    """From this frame to it, (1, 2, H, W); None: to be found."""
    flow_file: Input | None = None
    """Where the flow is from."""


def read_before(picture: Source, frame: Source, flow: str | os.PathLike[str] | None) -> Before:
    """Read the frame before.

    Args:
        picture: its result.
        frame: the frame itself.
        flow: a .flo file from this frame to it; None: to be found.

    Raises:
        PictureError: one cannot be read.
    """
    result, then = read_picture(picture), read_picture(frame)
    if flow is None:
        return Before(result, then)
    file = Input(os.fspath(flow), file_sha256(flow))
    return Before(result, then, read_flow(flow), file)


@dataclass(frozen=True, eq=False)
class Moved:
    """The last result, moved to where its parts are now, both at the last result's size."""

    picture: Tensor
    """(1, 3, H, W)."""
    weights: Tensor
    """(1, 1, H, W): 1 where it can be trusted, 0 where something new is seen."""


def moved(before: Before, frame: Picture) -> Moved:
    """Move the last result to where its parts are in a frame.

    Raises:
        SettingError: the flow has to be found, and OpenCV is not installed.
    """
    size = before.picture.size
    now, then = (
        p.pixels if p.size == size else resize(p.pixels, size) for p in (frame, before.frame)
    )
    if before.flow is not None:
        flow = resized_flow(before.flow, size)
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
    return Moved(warped(before.picture.pixels, flow), weights * within)
