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
    same_colours,
    trusted,
    warped,
)

CACHED = 16
"""Frames kept at the size of the results."""
YOUNG = 3
"""Power of how far a place is painted by which it holds others the less."""
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
    size: tuple[int, int]
    """(height, width) of the frames."""

    def __call__(self, frame: int, other: int) -> Tensor | None:
        """The flow from a frame to another; None where there is no file.

        Raises:
            PictureError: the file is damaged, or has another shape than the frames.
        """
        if abs(frame - other) != 1:
            return None
        path = self.folder / f"{self.names[max(frame, other)]}{BACK * (frame < other)}.flo"
        return read_flow(path, self.size) if path.is_file() else None


class Warped(NamedTuple):
    """Another frame's result, warped to a frame."""

    pixels: Tensor
    """ω, (1, 3, H, W)."""
    trust: Tensor
    """c, (1, 1, H, W) in [0, 1]."""
    painted: Tensor
    """(1, 1, H, W) in [0, 1], 1 where the result is painted to the end."""


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
        self.pixels = lru_cache(CACHED)(self._read)

    def warp(self, image: Tensor, painted: Tensor, frame: int, other: int) -> Warped:
        """Warp the other frame's result to a frame.

        Raises:
            SettingError: the flow has to be estimated, and OpenCV is not installed.
        """
        flow, back = self.flows(frame, other)
        shown = self.pixels(other)
        moved = warped(torch.cat((image, painted, shown), dim=1), flow)
        trust = trusted(flow, back) * same_colours(moved[:, 4:], self.pixels(frame))
        return Warped(moved[:, :3], trust, moved[:, 3:4].clamp(0, 1))

    def flows(self, frame: int, other: int) -> tuple[Tensor, Tensor]:
        """The flow from a frame to another and back, (1, 2, H, W) each; raises as `warp`."""
        given = (
            [self.files(*pair) for pair in ((frame, other), (other, frame))] if self.files else []
        )
        now, then = self.pixels(frame), self.pixels(other)
        if not given or given[0] is None:
            return flows_between(now, then)
        flow, back = (None if each is None else resized_flow(each, self.size) for each in given)
        assert flow is not None
        return flow, flow_between(then, now) if back is None else back

    def _read(self, index: int) -> Tensor:
        pixels = self.frames.frame(index).pixels
        return pixels if pixels.shape[2:] == self.size else resize(pixels, self.size)


def held_to(others: Sequence[Warped]) -> Warped:
    """One target ω and weight c for all frames that a frame is held to.

    With w_j = c_j p_j³, p_j for how far a result is painted, ω = Σ w_j ω_j / Σ w_j, and
    c = min(Σ c_j, 1): a place that no near frame shows is held to a further one, so that what was
    hidden looks as before when it comes back. Ruder, Dosovitskiy and Brox (2016, equation 9) give a
    further frame only what nearer ones leave over; then a result is warped once a frame, and what
    each warp loses adds up. The mean over frames 1, 2 and 4 further back has less than half of that
    error after 8 frames of a pan, and no more between neighbours.
    """
    trust = torch.stack([each.trust for each in others]).sum(0)
    shares = [each.trust * each.painted**YOUNG for each in others]
    total = torch.stack(shares).sum(0)

    def average(values: Sequence[Tensor]) -> Tensor:
        weighed = torch.stack([a * b for a, b in zip(shares, values, strict=True)]).sum(0)
        return torch.where(total > 0, weighed / total, values[0])

    return Warped(
        average([each.pixels for each in others]),
        torch.where(total > 0, trust.clamp(max=1), 0),
        average([each.painted for each in others]),
    )
