"""Style transfer: the whole story, top to bottom.

Gatys, Ecker and Bethge, "A Neural Algorithm of Artistic Style" (2015; CVPR 2016): find the picture
whose features are the photograph's and whose features' Gram matrices are the painting's, by
gradient descent on its pixels, from coarse to fine.
"""

from __future__ import annotations

import math
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from vangram.engines import engine_for
from vangram.errors import SettingError, SizeError
from vangram.images import Picture, fit, read_picture, resize, write_picture
from vangram.networks import FeatureNetwork, load_network
from vangram.objective import Objective
from vangram.optimize import (
    LBFGS,
    Adam,
    Descent,
    Level,
    Optimizer,
    Position,
    Step,
    coarse_to_fine,
    descend,
)
from vangram.plan import Means, free_memory, has_room_for_winograd, means_for, work_of
from vangram.recipe import Recipe
from vangram.record import Input, Record
from vangram.storage import (
    IN_MEMORY,
    SpilledStorage,
    Storage,
    bands,
    release_mapped,
    return_freed_memory,
)

PROBE = 256
"""Pixels of the longer side of a picture that is evaluated to see how fast this machine is."""

Source = str | os.PathLike[str] | Image | Tensor
"""A picture: a file, a Pillow image, or a tensor (3, H, W) in [0, 1]."""


def stylize(
    content: Source, style: Source, *, start: Source | None = None, **settings: Any
) -> Painting:
    """Repaint a photograph in the style of a painting.

    Args:
        content: the photograph.
        style: the painting.
        start: a picture to start from; implies `init="picture"`.
        settings: those of `Recipe`.

    Raises:
        InputError: something given cannot be used; nothing has been computed then.
        DivergedError: the optimisation failed.
    """
    transfer = StyleTransfer.prepare(content, style, start=start, **settings)
    for step in transfer:
        image = step.image
    return transfer.painting(image)


@dataclass(frozen=True)
class StyleTransfer:
    """A run that is prepared and checked; iterating over it runs it, step by step."""

    record: Record
    content: Picture
    style: Picture
    start: Picture | None
    network: FeatureNetwork
    levels: tuple[Level, ...]
    device: torch.device

    def __iter__(self) -> Iterator[Step]:
        return self.steps()

    def steps(self, since: Position | None = None) -> Iterator[Step]:
        """From coarse to fine, each level from the last one's picture.

        Args:
            since: where a run of the same record stood; what followed there, follows here.
        """
        since = since and since.to(self.device)
        for level in self.levels:
            if since and since.has_done(level):
                continue
            return_freed_memory()  # the last level's, which suits no tensor of this one
            for step in self._steps_at(level, since):
                since = step.position
                yield step

    def _steps_at(self, level: Level, since: Position | None) -> Iterator[Step]:
        recipe, means = self.record.recipe, self.means(level)
        storage = self._storage(level)
        content = self._at(level.size, self.content, storage)
        style = self._at(fit(self.style.size, max(level.size)), self.style, storage)
        objective = Objective.of(recipe, self.network, content, style, means.tile, storage)
        engine = engine_for(level.size, means.tile, self.network, objective)
        optimizer = _optimizer(means, storage)
        # Where the level begins is held by the descent alone, which lets go of it when it moves on.
        steps = descend(
            self._begin(level, content, optimizer, since, storage), engine, optimizer, level
        )
        del content, style, since
        yield from steps

    @classmethod
    def prepare(
        cls, content: Source, style: Source, *, start: Source | None = None, **settings: Any
    ) -> StyleTransfer:
        """Read and check everything that is needed, and compute nothing yet.

        Args and errors as `stylize`; a whole `recipe` may be given, which settings then change.
        """
        recipe = replace(settings.pop("recipe", None) or Recipe(), **settings)
        if start is not None and "init" not in settings:
            recipe = replace(recipe, init="picture")
        if (recipe.init == "picture") != (start is not None):
            raise SettingError('init "picture" and a picture to start from go together')
        photograph, painting = read_picture(content), read_picture(style)
        first = None if start is None else read_picture(start)
        device = _device(recipe.device)
        network = load_network(recipe.network, device)
        network.tf32 = recipe.precision == "tf32"
        record = Record(
            recipe=recipe,
            content=Input(photograph.name, photograph.sha256),
            style=Input(painting.name, painting.sha256),
            start=None if first is None else Input(first.name, first.sha256),
            network_sha256=network.sha256,
            versions=_versions(device),
        )
        smallest = network.topology.smallest_size(recipe.layers)
        least = max(_least_size(picture, smallest) for picture in (photograph, painting))
        if recipe.size < least:
            raise SizeError(
                f"size {recipe.size} is too small: {recipe.layers[-1]} needs {smallest} px along a "
                f"picture's shorter side; use --size {least}, or shallower layers"
            )
        levels = coarse_to_fine(fit(photograph.size, recipe.size), least, recipe)
        transfer = cls(record, photograph, painting, first, network, levels, device)
        return transfer._within(recipe.memory or free_memory(device))

    def _within(self, memory: int) -> StyleTransfer:
        """This run within so many bytes; one that does not come near them is left as it is.

        So pictures of a usual size do not depend on what else the machine is doing.
        """
        record = replace(self.record, recipe=replace(self.record.recipe, memory=memory))
        bounded = replace(self, record=record)
        self.network.fast = has_room_for_winograd(self.network, memory)
        same = all(bounded.means(level) == self.means(level) for level in self.levels)
        return self if same and self.network.fast else bounded

    def means(self, level: Level) -> Means:
        """What a level is computed with, for the memory that the recipe allows."""
        given = [p for p in (self.content, self.style, self.start) if p is not None]
        pixels = sum(picture.size[0] * picture.size[1] for picture in given)
        return means_for(level, self.record.recipe, self.network, pixels)

    def expected_seconds(self, done: float = 0.0) -> float:
        """How long the run will take, from one evaluation of a small picture, timed here and now.

        Args:
            done: share of the work that lies behind.
        """
        recipe = self.record.recipe
        size = fit(self.content.size, min(PROBE, max(self.levels[0].size)))
        content = self._at(size, self.content, IN_MEMORY)
        objective = Objective.of(recipe, self.network, content, content)
        engine = engine_for(size, None, self.network, objective)
        engine(content)  # which transforms filters, and wakes a device up
        began = time.perf_counter()
        engine(content)
        pixel = (time.perf_counter() - began) / (size[0] * size[1])
        return (1 - done) * sum(
            work_of(level, self.means(level), recipe, self.network) * pixel for level in self.levels
        )

    def painting(self, image: Tensor, *, finished: bool = True) -> Painting:
        """The result, from the image of any step: at its full size, in range, with its alpha."""
        return_freed_memory()  # the last evaluation's; writing a picture takes some
        size, storage = self.levels[-1].size, self._storage(self.levels[-1])
        image = _resized(image.cpu(), size, storage)
        pixels = storage.empty((1, 3, *size), image)
        for rows in bands(image):
            torch.clamp(image[..., rows, :], 0, 1, out=pixels[..., rows, :])
            storage.release()
        alpha = self.content.alpha
        return Painting(
            pixels=pixels,
            alpha=None if alpha is None else resize(alpha, size),
            exif=self.content.exif,
            record=replace(self.record, finished=finished),
        )

    def _begin(
        self,
        level: Level,
        content: Tensor,
        optimizer: Optimizer,
        since: Position | None,
        storage: Storage,
    ) -> Descent:
        """Where a level begins: from the first picture, from the last level's, or amid itself."""
        if since is None:
            return Descent.start(self._first(content, storage))
        if since.level < level.number:
            return Descent.start(self._enlarged(since.image, content, storage))
        assert since.optimizer is not None  # as the level is not done
        optimizer.restore(since.optimizer)
        return since.descent

    def _enlarged(self, image: Tensor, content: Tensor, storage: Storage) -> Tensor:
        """The last level's image at the size of `content`, with the detail that it could not have.

        Without the photograph's, the first steps would go into finding it.
        """
        size = (content.shape[2], content.shape[3])
        enlarged = _resized(image, size, storage)
        if self.record.recipe.init != "content":
            return enlarged
        coarse = self._at((image.shape[2], image.shape[3]), self.content, storage)
        coarse = _resized(coarse, size, storage)
        for rows in bands(content):
            at = (..., rows, slice(None))
            enlarged[at] += content[at] - coarse[at]
            storage.release()
        return enlarged

    def _first(self, content: Tensor, storage: Storage) -> Tensor:
        recipe = self.record.recipe
        if self.start is not None:
            return self._at((content.shape[2], content.shape[3]), self.start, storage)
        if recipe.init == "content":
            return content
        generator = torch.Generator().manual_seed(recipe.seed)
        return torch.rand(content.shape, generator=generator).to(content.device)

    def _at(self, size: tuple[int, int], picture: Picture, storage: Storage) -> Tensor:
        return _resized(picture.pixels, size, storage).to(self.device)

    def _storage(self, level: Level) -> Storage:
        return SpilledStorage() if self.means(level).spilled else IN_MEMORY


@dataclass(frozen=True)
class Painting:
    """A result: pixels (1, 3, H, W) in [0, 1] and how they were made."""

    pixels: Tensor
    alpha: Tensor | None
    exif: bytes | None
    record: Record

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write PNG, JPEG, WebP or TIFF by suffix, with the record inside; overwrites.

        Raises:
            OutputError: the file cannot be written.
        """
        write_picture(
            path,
            self.pixels,
            alpha=self.alpha,
            exif=self.exif,
            recipe=self.record.to_json(),
            release=release_mapped,
        )
        return Path(path)


def _resized(image: Tensor, size: tuple[int, int], storage: Storage) -> Tensor:
    if tuple(image.shape[2:]) == size:
        return image
    into = storage.empty((1, 3, *size), image)
    return resize(image, size, into=into, release=storage.release)


def _optimizer(means: Means, storage: Storage) -> Optimizer:
    return LBFGS(means.history) if means.optimizer == "lbfgs" else Adam(storage=storage)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        float(torch.zeros(1, device=device))
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise SettingError(f"there is no device {name!r} here; try --device cpu") from error
    return device


def _least_size(picture: Picture, smallest: int) -> int:
    """Longer side at which a picture's shorter side is `smallest`, rounding included."""
    return math.ceil((smallest - 0.5) * max(picture.size) / min(picture.size))


def _versions(device: torch.device) -> dict[str, str]:
    return {
        "vangram": metadata.version("vangram"),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": str(torch.get_num_threads()),
        "device": device.type,
    }


class _CallableModule(ModuleType):
    """`vangram.stylize` names this module and its function; called, either is the function."""

    __call__ = staticmethod(stylize)


sys.modules[__name__].__class__ = _CallableModule
