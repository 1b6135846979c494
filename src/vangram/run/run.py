"""Style transfer, content reconstruction, texture synthesis: one story, top to bottom.

Gatys, Ecker and Bethge, "A Neural Algorithm of Artistic Style" (2015; CVPR 2016): find the picture
whose features are the photograph's and whose features' Gram matrices are the painting's, by
gradient descent on its pixels, from coarse to fine. With the photograph alone it shows what a layer
knows of it; with the painting alone it is a texture.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from vangram.engines import engine_for
from vangram.errors import SizeError
from vangram.images import Source, file_sha256, fit, resize
from vangram.images.flow import read_flow
from vangram.networks import FeatureNetwork, network_named
from vangram.objective import Evaluate, Objective, TermKey
from vangram.objective.targets import StyleTarget, content_targets_of, style_targets_of
from vangram.optimize import (
    LBFGS,
    Adam,
    Level,
    LevelState,
    Optimizer,
    RunState,
    Step,
    coarse_to_fine,
    descend,
)
from vangram.run.inputs import check, device_for, network_for, notes_of, path_of, read, versions_on
from vangram.run.memory import Means, free_memory, has_room_for_winograd, means_for, work_of
from vangram.run.regions import guides_of
from vangram.run.resized import Scene, resized
from vangram.run.result import Painting
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe
from vangram.settings.record import NETWORK, Input, Record
from vangram.storage.tensors import IN_MEMORY, SpilledStorage, Storage, return_freed_memory

PROBE = 256
"""Pixels of the longer side of a picture that is evaluated to see how fast this machine is."""


@dataclass(frozen=True)
class Run:
    """A run that is prepared and checked; iterating over it runs it, step by step."""

    record: Record
    scene: Scene
    network: FeatureNetwork
    levels: tuple[Level, ...]
    device: torch.device
    known: dict[str, Mapping[TermKey, StyleTarget]] = field(default_factory=dict, repr=False)
    """Style targets, by what they depend on; runs with the same paintings may share them."""
    notes: tuple[str, ...] = ()
    """What the masks say, and what is changed about the inputs, a line each."""

    def __iter__(self) -> Iterator[Step]:
        return self.steps()

    def steps(self, since: RunState | None = None) -> Iterator[Step]:
        """From coarse to fine, each level from the last one's picture.

        Args:
            since: where a run of the same record stood; what followed there, follows here.
        """
        for level in self.levels:
            if since and since.has_finished(level):
                continue
            return_freed_memory()  # the last level's, which suits no tensor of this one
            for step in self._steps_at(level, since):
                since = step.state
                yield step

    def _steps_at(self, level: Level, since: RunState | None) -> Iterator[Step]:
        engine = self.engine(level, self.objective(level))
        optimizer = _optimizer(self.means(level), self.storage(level))
        # Where the level begins is held by the descent alone, which lets go of it when it moves on.
        begin, tolerance = self._begin(level, optimizer, since), self.recipe.tolerance
        steps = descend(begin, engine, optimizer, level, tolerance)
        del since, begin
        yield from steps

    def objective(self, level: Level) -> Objective:
        """What is minimised at a level."""
        scene, size, storage = self.scene, level.size, self.storage(level)
        recipe, network, tile = self.recipe, self.network, self.means(level).tile
        known = self._known_as(level)
        content = content_targets_of(recipe, network, scene.content(size, storage), tile, storage)
        style = self.known.get(known) if known else None
        if style is None:
            paintings, regions = scene.paintings(size, storage), scene.regions(size)
            style = style_targets_of(recipe, network, paintings, regions, tile, storage)
        if known:
            self.known[known] = style
        return Objective.with_targets(recipe, network.topology, size, content, style, storage)

    def _known_as(self, level: Level) -> str | None:
        """What a level's style targets depend on; None where the photograph is part of it."""
        recipe, scene = self.recipe, self.scene
        if scene.guides or recipe.colour != "style" or recipe.normalise:
            return None
        styles = [(p.sha256, scene.style_size(p, level.size)) for p in scene.inputs.styles]
        if any(sha256 is None for sha256, _ in styles):
            return None
        settings = recipe.style_layers, recipe.each_style_layers, recipe.blend, recipe.style_loss
        network = recipe.network, self.network.sha256, recipe.pooling, recipe.precision
        return repr((styles, settings, network, self.means(level).tile, str(self.device)))

    def engine(self, level: Level, objective: Objective) -> Evaluate:
        """Value and gradient of a level's objective: whole or in tiles, as the memory allows."""
        engine = engine_for(level.size, self.means(level).tile, self.network, objective)
        return self.scene.guarded(engine, level.size, self.storage(level))

    @classmethod
    def prepare(
        cls,
        content: Source | None = None,
        *styles: Source,
        start: Source | None = None,
        parameters: str | os.PathLike[str] | None = None,
        mask: Source | None = None,
        style_masks: Sequence[Source] = (),
        keep: Source | None = None,
        before: Source | None = None,
        before_frame: Source | None = None,
        flow: str | os.PathLike[str] | None = None,
        **settings: Any,
    ) -> Run:
        """Read and check everything that is needed, and compute nothing yet.

        Args and errors as `stylize`; a picture that no term needs may be left out, `parameters` may
        be a file to read the network from, and a whole `recipe` may be given, which settings then
        change. The colours of `mask` name regions of the photograph, each with the style of a
        painting, or of what has its colour in the `style_masks`; where `keep` is white, the
        photograph stays. Of a frame in a sequence, `before` is the last frame's result,
        `before_frame` that frame, and `flow` a .flo file with the way from this one to it.
        """
        recipe = (settings.pop("recipe", None) or Recipe()).replace(**settings)
        if "init" not in settings and (start is not None or before is not None):
            recipe = recipe.replace(init="picture" if before is None else "before")
        inputs = Inputs[Source](
            content=content,
            styles=styles,
            start=start,
            parameters=parameters,
            mask=mask,
            style_masks=tuple(style_masks),
            keep=keep,
            before=before,
            before_frame=before_frame,
            flow=flow,
        )
        return cls.of(inputs, recipe)

    @classmethod
    def of(cls, inputs: Inputs[Source], recipe: Recipe) -> Run:
        """The run of these inputs with a recipe; errors as above."""
        check(inputs, recipe)
        device = device_for(recipe.device)
        pictures = read(inputs, recipe, device)
        found = pictures.map(lambda picture: Input(picture.name, picture.sha256))
        flow = None
        if (path := path_of(inputs.flow, "flow")) is not None:
            flow = read_flow(path)
            found = replace(found, flow=Input(path, file_sha256(path)))
        guides, regions = guides_of(pictures.mask, pictures.style_masks, pictures.styles)
        notes = (*notes_of(pictures), *regions)
        scene = Scene(pictures, recipe, device, flow, guides)
        parameters = path_of(inputs.parameters, "parameters")
        network = network_for(recipe, scene.pictures, parameters, device)
        if parameters is not None:
            found = replace(found, parameters=Input(parameters, network.sha256))
        record = Record(
            recipe=recipe,
            inputs=found,
            network_sha256=network.sha256,
            versions=versions_on(device) | _network_version(recipe, parameters),
        )
        least = scene.least_size(network)
        levels = coarse_to_fine(fit(scene.proportions, recipe.size), least, recipe)
        run = cls(record, scene, network, levels, device, notes=notes)
        return run._within(recipe.memory or free_memory(device))

    @property
    def recipe(self) -> Recipe:
        """Its settings."""
        return self.record.recipe

    def _within(self, memory: int) -> Run:
        """This run within so many bytes; one that does not come near them is left as it is.

        So pictures of a usual size do not depend on what else the machine is doing.
        """
        record = replace(self.record, recipe=self.recipe.replace(memory=memory))
        bounded = replace(self, record=record)
        self.network.winograd = has_room_for_winograd(self.network, self.recipe, memory)
        if self.network.winograd:
            try:
                bounded.means(self.levels[-1])
            except SizeError:  # where Winograd's filters are what is too much
                self.network.winograd = False
        same = all(bounded.means(level) == self.means(level) for level in self.levels)
        return self if same and self.network.winograd else bounded

    def means(self, level: Level) -> Means:
        """What a level is computed with, for the memory that the recipe allows."""
        pixels = sum(picture.size[0] * picture.size[1] for picture in self.scene.pictures)
        return means_for(level, self.recipe, self.network, pixels)

    def expected_seconds(self, done: float = 0.0) -> float:
        """How long the run will take, from one evaluation of a small picture, timed here and now.

        Args:
            done: share of the work that lies behind.
        """
        recipe, picture = self.recipe, self.scene.pictures[0]
        size = fit(self.levels[-1].size, min(PROBE, max(self.levels[0].size)))
        image = resized(picture.pixels, size, IN_MEMORY).to(self.device)
        objective = Objective.of(
            recipe.replace(blend=(), each_style_layers=()), self.network, image, [image]
        )
        engine = engine_for(size, None, self.network, objective)
        engine(image)  # which transforms filters, and wakes a device up
        began = time.perf_counter()
        float(engine(image).gradient.sum())  # a number, for which a GPU is waited for
        pixel = (time.perf_counter() - began) / (size[0] * size[1])
        return (1 - done) * sum(
            work_of(level, self.means(level), recipe, self.network) * pixel for level in self.levels
        )

    def painting(self, image: Tensor, *, finished: bool = True) -> Painting:
        """The result, from the image of any step: at its full size, in range, with its alpha."""
        return_freed_memory()  # the last evaluation's; writing a picture takes some
        size, photograph = self.levels[-1].size, self.scene.inputs.content
        alpha = None if photograph is None else photograph.alpha
        return Painting(
            pixels=self.shown(image, size),
            alpha=None if alpha is None else resize(alpha, size),
            exif=None if photograph is None else photograph.exif,
            record=replace(self.record, finished=finished),
        )

    def shown(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        """What is to be seen of the image of any step, at a size: in range, in the right colours.

        Args:
            image: (1, 3, H, W), of any level.
            size: (height, width) to arrive at.

        Returns:
            (1, 3, height, width) in [0, 1], on the CPU.
        """
        return self.scene.shown(image, size, self.storage(self.levels[-1]))

    def _begin(self, level: Level, optimizer: Optimizer, since: RunState | None) -> LevelState:
        """Where a level begins: from the first picture, from the last level's, or amid itself."""
        if since is None:
            return LevelState.start(self.first(level))
        if since.level < level.number:
            storage = self.storage(level)
            return LevelState.start(self.scene.enlarged(since.image, level.size, storage))
        since = since.to(self.storage(level).device_for(self.device))
        assert since.optimizer is not None  # as the level is not done
        optimizer.restore(since.optimizer)
        return since.level_state

    def first(self, level: Level) -> Tensor:
        """The first image of all, (1, 3, H, W), were this the first level."""
        return self.scene.first(level.size, self.storage(level))

    def storage(self, level: Level) -> Storage:
        """Where a level's tensors of the picture's size live."""
        if not self.means(level).spilled:
            return IN_MEMORY
        ours = self.device.type == "cpu"  # or else the memory given is another one
        return SpilledStorage(memory=self.recipe.memory if ours else None)


def _network_version(recipe: Recipe, parameters: str | os.PathLike[str] | None) -> dict[str, str]:
    """The network's own version, for a record; none where its parameters are from a file."""
    version = network_named(recipe.network).version
    return {NETWORK: f"{recipe.network} {version}"} if version and parameters is None else {}


def _optimizer(means: Means, storage: Storage) -> Optimizer:
    if means.optimizer == "lbfgs":
        return LBFGS(means.history, storage)
    return Adam(storage=storage)
