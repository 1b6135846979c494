"""Optical flow between frames: estimation, files, warping and consistency.

A flow is (1, 2, H, W) in pixels (right, down): the point at x in this frame is at x + flow(x) in
the other.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vangram.errors import PictureError, SettingError
from vangram.storage.files import open_regular, quoted, reason

MAGIC = b"PIEH"
"""Signature of a .flo file (Baker et al., Middlebury)."""


def opencv() -> Any:
    """The module that estimates flow.

    Raises:
        SettingError: it is not installed.
    """
    try:
        return import_module("cv2")
    except ImportError as error:
        raise SettingError(
            "motion between frames needs OpenCV: pip install 'vangram[flow]', or give --flow"
        ) from error


def flow_between(frame: Tensor, other: Tensor) -> Tensor:
    """Estimate the flow by dense inverse search (Kroeger et al. 2016), in OpenCV's implementation.

    Args:
        frame: (1, 3, H, W) in [0, 1].
        other: frame of the same size.

    Raises:
        SettingError: OpenCV is not installed.
    """
    library = opencv()
    search = library.DISOpticalFlow_create(library.DISOPTICAL_FLOW_PRESET_MEDIUM)
    found = search.calc(_grey(frame), _grey(other), None)
    return torch.from_numpy(found).permute(2, 0, 1)[None].contiguous()


def read_flow(path: str | os.PathLike[str]) -> Tensor:
    """Read a Middlebury .flo file.

    Raises:
        PictureError: the file is missing, damaged or of another format.
    """
    try:
        with open_regular(path) as handle:
            head, length = handle.read(12), os.fstat(handle.fileno()).st_size
            width, height = np.frombuffer(head[4:].ljust(8, b"\0"), "<i4").tolist()
            if head[:4] != MAGIC or not (0 < width < 1 << 16 and 0 < height < 1 << 16):
                raise PictureError(f"{quoted(path)} is no flow; write Middlebury's format, .flo")
            wanted = 12 + 8 * width * height
            if length != wanted:
                raise PictureError(
                    f"{quoted(path)} has {length} bytes, not {wanted}; it is damaged"
                )
            values = np.frombuffer(handle.read(), "<f4").reshape(height, width, 2)
    except (OSError, ValueError) as error:
        raise PictureError(f"{quoted(path)} cannot be read ({reason(error)}); check it") from error
    if not np.isfinite(values).all():
        raise PictureError(f"{quoted(path)} has values that are not finite; it is damaged")
    return torch.from_numpy(values.copy()).permute(2, 0, 1)[None].contiguous()


def resized_flow(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize a flow to `size` (height, width), its vectors scaled along."""
    height, width = flow.shape[2:]
    if (height, width) == size:
        return flow
    scaled = F.interpolate(flow, size, mode="bilinear", align_corners=False)
    return scaled * torch.tensor([size[1] / width, size[0] / height]).view(1, 2, 1, 1)


def warped(picture: Tensor, flow: Tensor) -> Tensor:
    """Warp a picture (1, C, H, W) of the other frame to this frame."""
    height, width = picture.shape[2:]
    down, right = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    # grid_sample's coordinates run from -1 to 1 across the picture.
    x = (2 * (right + flow[0, 0]) + 1) / width - 1
    y = (2 * (down + flow[0, 1]) + 1) / height - 1
    at = torch.stack((x, y), dim=-1)[None].to(picture.dtype)
    return F.grid_sample(picture, at, "bicubic", "border", align_corners=False)


def trusted(flow: Tensor, back: Tensor) -> Tensor:
    """Reliability of a flow, (1, 1, H, W) of 0 and 1.

    0 where forward and backward flow disagree (disocclusion) and at motion boundaries (Ruder,
    Dosovitskiy and Brox 2016, equations 5 and 6).

    Args:
        flow: from this frame to the other.
        back: from the other frame to this one.
    """
    returned = warped(back, flow)
    difference = (flow + returned).square().sum(1, keepdim=True)
    lengths = flow.square().sum(1, keepdim=True) + returned.square().sum(1, keepdim=True)
    visible = difference <= 0.01 * lengths + 0.5
    steps = F.pad(flow[..., 1:] - flow[..., :-1], (0, 1)).square().sum(1, keepdim=True)
    steps += F.pad(flow[..., 1:, :] - flow[..., :-1, :], (0, 0, 0, 1)).square().sum(1, keepdim=True)
    smooth = steps <= 0.01 * flow.square().sum(1, keepdim=True) + 0.002
    return (visible & smooth).to(flow.dtype)


def _grey(frame: Tensor) -> Any:
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    grey = (frame.cpu().float() * weights).sum(1)[0].clamp(0, 1)
    return (grey * 255).round().byte().numpy()
