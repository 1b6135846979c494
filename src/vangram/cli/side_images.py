"""Preview and timelapse of a run, written beside its picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from vangram.cli.options import Monitoring
from vangram.cli.outputs import write_at
from vangram.cli.streams import warn
from vangram.images import fit, resize, write_animation, write_picture
from vangram.optimize import Level, Step
from vangram.run.side_writes import SideWrites
from vangram.storage.places import Place

SECONDS_BETWEEN_PREVIEWS = 3.0
FRAMES = 60
"""Largest number of frames of a timelapse, the result included."""
LARGEST_FRAME = 512
"""Longer side of a timelapse in pixels."""


@dataclass
class SideImages:
    """The preview, rewritten every few seconds, and the frames of the timelapse."""

    monitoring: Monitoring
    levels: Sequence[Level]
    shown: Callable[[Tensor, tuple[int, int]], Tensor]
    """The run's `Run.shown`."""
    force: bool = False
    """Whether files that have appeared since the run began are overwritten."""
    alpha: Tensor | None = None
    """Alpha of the photograph and the result, (1, 1, H, W); None: opaque."""
    frames: list[Tensor] = field(default_factory=list)
    preview_writes: SideWrites = field(
        default_factory=lambda: SideWrites(warn, SECONDS_BETWEEN_PREVIEWS)
    )
    timelapse_writes: SideWrites = field(default_factory=lambda: SideWrites(warn))

    def __post_init__(self) -> None:
        given = self.monitoring.preview, self.monitoring.timelapse
        self.places = {path: Place(path, force=self.force) for path in given if path is not None}

    def add(self, step: Step) -> None:
        """Keep a frame and write the preview, if they are due; a failure is a warning."""
        if self.monitoring.timelapse and self._is_frame(step):
            self.frames.append(self.shown(step.image, self._frame_size))
        if self.monitoring.preview and self.preview_writes.is_due:
            self.preview_writes(lambda: self._write_preview(self.shown(step.image, self._size)))

    def finish(self, pixels: Tensor) -> None:
        """Write the last preview, and the timelapse."""
        if self.monitoring.preview:
            self.preview_writes(lambda: self._write_preview(pixels))
        if self.monitoring.timelapse:
            self.frames.append(resize(pixels, self._frame_size))
            place, frames = self.places[self.monitoring.timelapse], self.frames
            alphas = [self._alpha(self._frame_size)] * len(frames)
            self.timelapse_writes(
                lambda: write_at(
                    place, lambda p, o: write_animation(p, frames, alphas=alphas, overwrite=o)
                )
            )

    @property
    def _size(self) -> tuple[int, int]:
        """(height, width) of the finished picture."""
        return self.levels[-1].size

    @property
    def _frame_size(self) -> tuple[int, int]:
        return fit(self._size, min(LARGEST_FRAME, max(self._size)))

    def _is_frame(self, step: Step) -> bool:
        steps = [level.steps for level in self.levels]
        taken = sum(steps[: step.level.number - 1]) + step.number
        before = sum(steps) - 1  # the result is the last frame
        most = min(FRAMES - 1, before)
        return taken <= before and taken * most // before > (taken - 1) * most // before

    def _write_preview(self, pixels: Tensor) -> None:
        assert self.monitoring.preview is not None
        place = self.places[self.monitoring.preview]
        alpha = self._alpha(self._size)
        write_at(place, lambda path, over: write_picture(path, pixels, alpha=alpha, overwrite=over))

    def _alpha(self, size: tuple[int, int]) -> Tensor | None:
        return None if self.alpha is None else resize(self.alpha, size)
