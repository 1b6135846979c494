"""One shot of a film: its frames painted in passes, each held to the results of other frames.

Ruder, Dosovitskiy and Brox, "Artistic Style Transfer for Videos" (GCPR 2016; IJCV 2018). The first
frame is a picture like any other. A later one starts from the warped result of the frame before
and takes fewer steps. Further passes go backward and forward in turn, and hold each frame to both
of its neighbours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from vangram.film.motion import YOUNG, Frames, Motion, Warped, held_to
from vangram.images import fit
from vangram.optimize import Step
from vangram.run import Run
from vangram.run.inputs import RunSource, read_inputs
from vangram.run.resized import render
from vangram.run.warp import WarpedResult
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe
from vangram.storage.tensors import IN_MEMORY

PAINTED = 48
"""Steps after which a place counts as painted to the end."""
REPAINTED = 20.0
"""Share of what is painted that a change of the paintings' shares by 1 would undo."""
BLEND = 0.5
"""Share of the other frames' results, where they are trusted, in the start of a further pass."""


class Store(Protocol):
    """The images of a film so far: of each frame that of its last pass, to the bit."""

    def passes(self, index: int) -> int:
        """Number of the last pass over a frame; 0 before the first."""

    def result(self, index: int) -> Tensor:
        """The image of a frame's last pass, (1, 3, H, W) float16."""

    def painted(self, index: int) -> Tensor:
        """How far the places of a result are painted, (1, 1, H, W) float16 in [0, 1]."""

    def keep(self, index: int, number: int, image: Tensor, painted: Tensor) -> None:
        """Keep the result of a pass instead of that of the pass before."""


@dataclass(frozen=True, eq=False)
class FilmStep:
    """A step of the run of one frame in one pass."""

    index: int
    """Of the frame in the film."""
    number: int
    """Of the pass, from 1."""
    step: Step
    done: float
    """Share of the shot's work that is done."""


@dataclass(frozen=True, eq=False)
class Shot:
    """A shot of a film, to be painted.

    The results depend on what is given alone, whether or not they were interrupted: each frame's
    run starts from images as the store has them.
    """

    frames: Frames
    store: Store
    of: range
    """The indices of its frames."""
    inputs_of: Callable[[int], Inputs[RunSource]]
    """The inputs of a frame's run beside the frame itself."""
    recipe_of: Callable[[int], Recipe]
    """The recipe of a frame; `size`, `passes` and `remember` are those of the first."""
    flows: Callable[[int, int], Tensor | None] | None = None
    """The flow from a frame to another where there is a file."""

    @cached_property
    def motion(self) -> Motion:
        """The motion between its frames."""
        size = self.frames.frame(self.of[0]).size
        return Motion(self.frames, fit(size, self.recipe_of(self.of[0]).size), self.flows)

    @property
    def passes(self) -> int:
        """Number of passes; a single frame has no neighbours, and one pass."""
        return self.recipe_of(self.of[0]).passes if len(self.of) > 1 else 1

    def is_in_order(self) -> bool:
        """Whether the store has what interrupted work leaves, and no frame's image is missing."""
        passes = {index: self.store.passes(index) for index in self.of}
        done = Counter(index for _, index in self._jobs[: sum(passes.values())])
        return all(passes[index] == done[index] for index in self.of)

    @property
    def _jobs(self) -> list[tuple[int, int]]:
        """Pass and frame of each run, in order."""
        return [(n, i) for n in range(1, self.passes + 1) for i in self.of[:: 1 if n % 2 else -1]]

    def paint(self) -> Iterator[FilmStep]:
        """Paint the frames that the store does not have yet, in all passes.

        Raises:
            InputError: an input or a setting cannot be used.
            DivergedError: a frame's loss is not finite.
        """
        jobs = self._jobs
        work = [self._steps(index, number) for number, index in jobs]
        for at, (number, index) in enumerate(jobs):
            if self.store.passes(index) >= number:
                continue
            before, image = sum(work[:at]), None
            run, painted = self.run(index, number)
            for step in run:
                image = step.image
                done = (before + work[at] * step.done) / sum(work)
                yield FilmStep(index, number, step, done)
            assert image is not None
            if painted is None:
                painted = torch.ones_like(image[:, :1])
            self.store.keep(index, number, image.cpu().half(), painted.cpu().half())

    def run(self, index: int, number: int) -> tuple[Run, Tensor | None]:
        """The run of a frame in a pass, from the results in the store.

        Returns:
            The run, and how far the places of its result are painted, (1, 1, H, W) in [0, 1]; None:
            to the end.
        """
        inputs = replace(self.inputs_of(index), content=self.frames.frame(index))
        recipe = self.recipe_of(index)
        if self._is_first(index, number):
            return Run.of(inputs, recipe), None
        recipe = recipe.replace(init="before", levels=1, steps=recipe.frame_steps)
        others, painted = self._others(index, number)
        painted = (painted + recipe.frame_steps / PAINTED).clamp(max=1)
        return Run.of(inputs, recipe, others), painted

    def shown(self, index: int) -> Tensor:
        """A frame as the film shows it, from its image in the store: (1, 3, H, W) in [0, 1]."""
        image, recipe = self.store.result(index).float(), self.recipe_of(index)
        content = self.frames.frame(index)
        inputs = read_inputs(replace(self.inputs_of(index), content=content), recipe)
        return render(inputs, image, fit(content.size, recipe.size), IN_MEMORY)

    def _is_first(self, index: int, number: int) -> bool:
        return number == 1 and index == self.of[0]

    def _steps(self, index: int, number: int) -> int:
        recipe = self.recipe_of(index)
        return recipe.steps if self._is_first(index, number) else recipe.frame_steps

    def _others(self, index: int, number: int) -> tuple[WarpedResult, Tensor]:
        """What other frames' results hold a frame to, and how far its start is painted."""
        back = 1 if number % 2 else -1  # to the frames of this pass
        distances = {back * each for each in self.recipe_of(self.of[0]).remember}
        distances |= {back} if number == 1 else {back, -back}
        there = [index - each for each in sorted(distances, key=abs) if index - each in self.of]
        held = held_to([self._warped(index, each) for each in there])
        weights = held.trust * held.painted**YOUNG
        if number == 1:
            return WarpedResult(held.pixels, held.trust, weights), held.trust * held.painted
        start, painted = (
            torch.lerp(own, theirs, BLEND * held.trust)
            for own, theirs in zip(self._result(index), (held.pixels, held.painted), strict=True)
        )
        return WarpedResult(held.pixels, held.trust, weights, start), painted

    def _warped(self, index: int, other: int) -> Warped:
        """Another frame's result, warped; in another style it is painted less far."""
        image, painted = self._result(other)
        ours, theirs = (self.recipe_of(each).blend or () for each in (index, other))
        change = sum(abs(a - b) for a, b in zip(ours, theirs, strict=True)) / (2 * sum(ours) or 1)
        painted = painted * max(0.0, 1 - REPAINTED * change)
        return self.motion.warp(image, painted, index, other)

    def _result(self, index: int) -> tuple[Tensor, Tensor]:
        return self.store.result(index).float(), self.store.painted(index).float()
