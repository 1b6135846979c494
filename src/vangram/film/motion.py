"""Motion between the frames of a film: flow, reliability, and the target that other frames give.

Ruder, Dosovitskiy and Brox, "Artistic Style Transfer for Videos" (GCPR 2016; IJCV 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from vangram.images import Picture, resize
from vangram.images.flow import (
    flow_between,
    flows_between,
    read_flow,
    resized_flow,
    trusted,
    warped,
)

CACHED = 16
"""Frames kept at the size of the results."""
BACK = "-back"
"""Ends the name of a file with the flow from the frame before, beside that to it."""


class Frames(Protocol):
    """The frames of a film, in any order of access; all have one size."""

    def __len__(self) -> int: ...

    def frame(self, index: int) -> Picture:
        """The frame of an index, from 0."""


@dataclass(frozen=True)
class FlowFolder:
    """Flow from files: NAME.flo from a frame to the one before, NAME-back.flo the other way."""

    folder: Path
    names: Sequence[str]
    """Of the frames, without suffix."""

    def __call__(self, frame: int, other: int) -> Tensor | None:
        """The flow from a frame to another; None where there is no file.

        Raises:
            PictureError: the file is damaged.
        """
        if abs(frame - other) != 1:
            return None
        path = self.folder / f"{self.names[max(frame, other)]}{BACK * (frame < other)}.flo"
        return read_flow(path) if path.is_file() else None


class Warped(NamedTuple):
    """Another frame's result, warped to a frame."""

    pixels: Tensor
    """ω, (1, 3, H, W)."""
    trust: Tensor
    """c, (1, 1, H, W) in [0, 1]."""


class Motion:
    """The motion between frames, at the size of the results.

    Args:
        frames: of the film.
        size: (height, width) of the results.
        files: the flow from a frame to another where there is a file; None: all is estimated.
    """

    def __init__(
        self,
        frames: Frames,
        size: tuple[int, int],
        files: Callable[[int, int], Tensor | None] | None = None,
    ) -> None:
        self.frames, self.size, self.files = frames, size, files
        self._pixels = lru_cache(CACHED)(self._read)

    def warp(self, image: Tensor, frame: int, other: int) -> Warped:
        """Warp the other frame's result to a frame.

        Raises:
            SettingError: the flow has to be estimated, and OpenCV is not installed.
        """
        flow, back = self.flows(frame, other)
        return Warped(warped(image, flow), trusted(flow, back))

    def flows(self, frame: int, other: int) -> tuple[Tensor, Tensor]:
        """The flow from a frame to another and back, (1, 2, H, W) each; raises as `warp`."""
        given = (
            [self.files(*pair) for pair in ((frame, other), (other, frame))] if self.files else []
        )
        now, then = self._pixels(frame), self._pixels(other)
        if not given or given[0] is None:
            return flows_between(now, then)
        flow, back = (None if each is None else resized_flow(each, self.size) for each in given)
        assert flow is not None
        return flow, flow_between(then, now) if back is None else back

    def _read(self, index: int) -> Tensor:
        pixels = self.frames.frame(index).pixels
        return pixels if pixels.shape[2:] == self.size else resize(pixels, self.size)


def held_to(near: Sequence[Warped], further: Sequence[Warped] = ()) -> Warped:
    """One target ω and weight c for all frames that a frame is held to.

    Σ c_j (x - ω_j)² is c (x - ω)² with c = Σ c_j and ω = Σ c_j ω_j / c, and a constant. Further
    frames have c_long(j) = max(c_j - Σ c_k, 0), k all that are nearer (Ruder, Dosovitskiy and Brox
    2016, equation 9): what was hidden looks as before when it comes back. c is cut at 1, so that
    two neighbours hold a frame no harder than one.

    Args:
        near: the neighbours, one or two.
        further: others, from near to far.
    """
    nearer = sum(each.trust for each in near)
    assert isinstance(nearer, Tensor)
    pixels, trust = sum(each.trust * each.pixels for each in near), nearer
    for each in further:
        left = (each.trust - nearer).clamp_(min=0)
        pixels, trust, nearer = pixels + left * each.pixels, trust + left, nearer + each.trust
    fallback = near[0].pixels  # which counts nowhere
    return Warped(torch.where(trust > 0, pixels / trust, fallback), trust.clamp(max=1))
