"""Optical flow between frames: estimation, files, warping and consistency.

A flow is (1, 2, H, W) in pixels (right, down): the point at x in this frame is at x + flow(x) in
the other.
"""

from __future__ import annotations

import math
import os
from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vangram.errors import PictureError, SettingError
from vangram.images.picture import SAME_SHAPE
from vangram.storage.files import open_regular, quoted, reason

MAGIC = b"PIEH"
"""Signature of a .flo file (Baker et al., Middlebury)."""
TRUST_BLUR = 0.8
"""Standard deviation in pixels of the Gaussian that softens a flow's reliability."""
TRUST_REACH = 3
"""Pixels on either side that it covers."""
COLOUR_STEP = 0.05
"""Mean difference of colours that is taken for the same; twice as much is taken for another."""
POLE = math.sqrt(3) - 2
"""Pole of the filter that gives the coefficients of cubic B-splines (Unser 1999)."""
SPLINE_REACH = 12
"""Pixels on either side that it covers; the rest is 1e-7 of it."""


def opencv() -> Any:
    """The module that estimates flow.

    Raises:
        SettingError: it is not installed.
    """
    try:
        return import_module("cv2")
    except ImportError as error:
        raise SettingError(
            "motion between frames needs OpenCV: pip install 'vangram[flow]', or give the flow both"
            " ways as .flo files"
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
    search.setFinestScale(0)  # halves the error, to 0.04 px in a pan, which adds up over frames
    found = search.calc(_grey(frame), _grey(other), None)
    return torch.from_numpy(found).permute(2, 0, 1)[None].contiguous()


def read_flow(path: str | os.PathLike[str], size: tuple[int, int]) -> Tensor:
    """Read a Middlebury .flo file.

    Args:
        path: of the file.
        size: (height, width) of the frame, whose proportions the flow needs.

    Raises:
        PictureError: the file is missing, damaged, of another format or of another shape.
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
            if abs(height * size[1] / (width * size[0]) - 1) > SAME_SHAPE:
                raise PictureError(
                    f"{quoted(path)} has the flow of {width} x {height} px, and its frame"
                    f" {size[1]} x {size[0]}: give it the same shape"
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
    """Warp a picture (1, C, H, W) of the other frame to this frame, by cubic B-splines.

    A film is warped from frame to frame: after 8 frames of a pan, bicubic convolution has lost
    three times as much (Thévenaz, Blu and Unser 2000, "Interpolation revisited"). The 16 weights of
    a position are taken as four bilinear samples.
    """
    height, width = picture.shape[2:]
    coefficients = _spline_coefficients(picture)
    down, right = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    columns = _spline_samples((right + flow[0, 0]).clamp(0, width - 1), width)
    rows = _spline_samples((down + flow[0, 1]).clamp(0, height - 1), height)
    found = torch.zeros_like(picture)
    for (weight, x), (share, y) in product(columns, rows):
        at = torch.stack((x, y), dim=-1)[None].to(picture.dtype)
        part = F.grid_sample(coefficients, at, "bilinear", "reflection", align_corners=True)
        found += part * (weight * share)
    return found


def _spline_coefficients(picture: Tensor) -> Tensor:
    """Coefficients of the cubic B-splines that pass through a picture, mirrored at its edges."""
    reach = min(SPLINE_REACH, *(side - 1 for side in picture.shape[2:]))
    distances = torch.arange(-reach, reach + 1, dtype=picture.dtype, device=picture.device).abs()
    taps = -6 * POLE / (1 - POLE**2) * POLE**distances
    padded = F.pad(picture, (reach,) * 4, mode="reflect").transpose(0, 1)
    return F.conv2d(F.conv2d(padded, taps.view(1, 1, 1, -1)), taps.view(1, 1, -1, 1)).transpose(
        0, 1
    )


def _spline_samples(at: Tensor, length: int) -> tuple[tuple[Tensor, Tensor], ...]:
    """Along one axis two weights, and where to sample linearly for each, -1 to 1 over the axis."""
    whole = at.floor()
    t = at - whole
    first, second = (1 - t) ** 3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6
    fourth = t**3 / 6
    third = 1 - first - second - fourth
    left, right = first + second, third + fourth
    places = whole - 1 + second / left, whole + 1 + fourth / right
    scale = 2 / max(length - 1, 1)
    return tuple((w, x * scale - 1) for w, x in zip((left, right), places, strict=True))


def flows_between(frame: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Flow from a frame to another and back; exactly zero between equal frames.

    Raises:
        SettingError: it has to be estimated, and OpenCV is not installed.
    """
    if torch.equal(frame, other):
        still = frame.new_zeros(1, 2, *frame.shape[2:])
        return still, still
    return flow_between(frame, other), flow_between(other, frame)


def trusted(flow: Tensor, back: Tensor) -> Tensor:
    """Reliability c of a flow, (1, 1, H, W) in [0, 1].

    Ruder, Dosovitskiy and Brox 2016, equations 5 and 6: 0 where forward and backward flow disagree
    (disocclusion), at motion boundaries, and where the flow leaves the picture. As in the authors'
    program such places count -1, others 1, before a Gaussian of `TRUST_BLUR` and a cut at 0, so
    that they grow outwards and end softly.

    Args:
        flow: from this frame to the other.
        back: from the other frame to this one.
    """
    height, width = flow.shape[2:]
    down, right = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    x, y = right + flow[0, 0], down + flow[0, 1]
    # grid_sample's coordinates run from -1 to 1 across the picture.
    at = torch.stack(((2 * x + 1) / width - 1, (2 * y + 1) / height - 1), dim=-1)[None]
    returned = F.grid_sample(back, at, "bilinear", "border", align_corners=False)
    difference = (flow + returned).square().sum(1, keepdim=True)
    lengths = flow.square().sum(1, keepdim=True) + returned.square().sum(1, keepdim=True)
    visible = difference <= 0.01 * lengths + 0.5
    slopes = torch.gradient(flow, dim=(2, 3))
    steps = sum(slope.square().sum(1, keepdim=True) for slope in slopes)
    smooth = steps <= 0.01 * flow.square().sum(1, keepdim=True) + 0.002
    within = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    signs = (visible & smooth & within).to(flow.dtype).mul_(2).sub_(1)
    taps = torch.arange(-TRUST_REACH, TRUST_REACH + 1, dtype=flow.dtype)
    kernel = torch.exp(-0.5 * (taps / TRUST_BLUR).square())
    kernel /= kernel.sum()
    padded = F.pad(signs, (TRUST_REACH,) * 4, mode="replicate")
    blurred = F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
    return blurred.clamp_(0, 1)


def same_colours(warped: Tensor, frame: Tensor) -> Tensor:
    """Where a warped frame shows what this one shows, (1, 1, H, W) in [0, 1].

    The search can miss a thing that moves in front, and find what is behind it, both ways; the
    colours tell. A change that most of the picture shares is one of the light, and does not count.

    Args:
        warped: another frame, (1, 3, H, W) in [0, 1].
        frame: this one.
    """
    difference = warped - frame
    light = difference.flatten(2).median(dim=2).values[..., None, None]
    away = F.avg_pool2d((difference - light).abs().amax(1, keepdim=True), 3, 1, 1)
    return (2 - away / COLOUR_STEP).clamp(0, 1)


def _grey(frame: Tensor) -> Any:
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    grey = (frame.cpu().float() * weights).sum(1)[0].clamp(0, 1)
    return (grey * 255).round().byte().numpy()
