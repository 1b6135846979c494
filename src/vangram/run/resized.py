"""The pictures of a run at any size: as the network sees them, and as a result is shown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from vangram.errors import SizeError
from vangram.images import ColourMap, Picture, fit, resize
from vangram.networks import FeatureNetwork
from vangram.objective import Evaluate, Region
from vangram.objective.keep import Keeping, put_back
from vangram.objective.luminance import OnLuminance
from vangram.objective.temporal import Steady
from vangram.run.colours import Seen, seen, show
from vangram.run.previous import Moved, moved
from vangram.run.regions import Guide
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import LARGEST_SIZE, Recipe
from vangram.storage.tensors import Storage, bands

Size = tuple[int, int]
"""(height, width) in pixels."""


@dataclass(frozen=True)
class Scene:
    """What is given, resized and in the right colours."""

    inputs: Inputs[Picture]
    recipe: Recipe
    device: torch.device
    flow: Tensor | None = None
    """From the photograph to the frame before, (1, 2, H, W); None: to be found."""
    guides: tuple[Guide, ...] = ()
    """The regions of the masks; none: one style everywhere."""

    @cached_property
    def seen(self) -> Seen:
        """In which colours the network sees them."""
        return seen(self.inputs.content, self.inputs.styles, self.recipe.colour)

    @cached_property
    def moved(self) -> Moved | None:
        """What the frame before has become, where there is one."""
        given = self.inputs
        if given.before is None or given.before_frame is None or given.content is None:
            return None
        return moved(given.before, given.before_frame, given.content, self.flow)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Those that may be the image or be compared with it; masks are none of them."""
        given = self.inputs
        single = (given.content, *given.styles, given.start)
        return tuple(picture for picture in single if picture is not None)

    @property
    def proportions(self) -> Size:
        """Height to width of the result: the photograph's, as asked for, or the painting's."""
        if self.inputs.content is not None:
            return self.inputs.content.size
        return self.recipe.proportions or self.inputs.styles[0].size

    def least_size(self, network: FeatureNetwork) -> int:
        """Longer side in pixels of the smallest result that has the recipe's layers.

        Raises:
            SizeError: the recipe asks for less, or the painting itself is too small.
        """
        recipe, inputs = self.recipe, self.inputs
        smallest = network.topology.smallest_size(recipe.layers)
        deepest = recipe.layers[-1]
        least = _least_side(self.proportions, smallest)
        for style in inputs.styles:
            if inputs.content is None and min(style.size) * recipe.style_size < smallest:
                raise SizeError(
                    f"the painting is too small: {deepest} needs {smallest} px along its shorter"
                    " side; use a larger one, or shallower layers"
                )
            scale = self._style_scale(style)
            least = max(least, math.ceil(_least_side(style.size, smallest) / scale))
        if recipe.size < least:
            larger = f"--size {least}" if least <= LARGEST_SIZE else "a picture less narrow"
            raise SizeError(
                f"size {recipe.size} is too small: {deepest} needs {smallest} px along a "
                f"picture's shorter side; use {larger}, or shallower layers"
            )
        return least

    def content(self, size: Size, storage: Storage) -> Tensor | None:
        """The photograph, (1, 3, H, W), where there is one."""
        photograph = self.inputs.content
        if photograph is None:
            return None
        return self.at(size, photograph, storage, self.seen.content)

    def paintings(self, size: Size, storage: Storage) -> list[Tensor]:
        """The paintings, (1, 3, H', W') each, for an image of a size."""
        return [
            self.at(self.style_size(painting, size), painting, storage, colours)
            for painting, colours in zip(self.inputs.styles, self.seen.styles, strict=True)
        ]

    def regions(self, size: Size) -> list[Region]:
        """The regions of an image of a size, and the paintings' parts for them."""
        sizes = [self.style_size(painting, size) for painting in self.inputs.styles]
        return [
            Region(
                guide.name,
                _weights(guide.weights, size).to(self.device),
                tuple(
                    None if part is None else _weights(part, theirs).to(self.device)
                    for part, theirs in zip(guide.parts, sizes, strict=True)
                ),
            )
            for guide in self.guides
        ]

    def guarded(self, evaluate: Evaluate, size: Size, storage: Storage) -> Evaluate:
        """An objective of what is shown of an image: with what is kept, in luminance alone."""
        content = self.content(size, storage) if self.inputs.keep is not None else None
        if content is not None:
            kept = self._kept(size).to(content.device)
            evaluate = Keeping(evaluate, content, kept, storage)
        if self.recipe.colour == "luminance":
            evaluate = OnLuminance(evaluate, storage)
        if self.moved is not None:
            last, weights = self._last(self.moved, size, storage)
            evaluate = Steady(evaluate, last, weights, self.recipe.flicker_weight)
        return evaluate

    def first(self, size: Size, storage: Storage) -> Tensor:
        """The first image of all, (1, 3, H, W)."""
        inputs, recipe = self.inputs, self.recipe
        if self.moved is not None:
            return self._first_after(self.moved, size, storage)
        chosen = inputs.content if recipe.init == "content" else inputs.start
        if chosen is not None:
            return self.at(size, chosen, storage, self.seen.content)
        generator = torch.Generator().manual_seed(recipe.seed)
        noise = torch.rand(1, 3, *size, generator=generator).to(storage.device_for(self.device))
        return noise.sub_(0.5).mul_(recipe.noise_range).add_(0.5)

    def enlarged(self, image: Tensor, size: Size, storage: Storage) -> Tensor:
        """A level's image at the next one's size, with the detail that it could not have.

        Without the photograph's, the next level's first steps would go into finding it.
        """
        enlarged = resized(image.to(storage.device_for(self.device)), size, storage)
        content = self.content(size, storage) if self.recipe.init == "content" else None
        if content is None:
            return enlarged
        coarse = self.content((image.shape[2], image.shape[3]), storage)
        assert coarse is not None  # as `content` is there
        coarse = resized(coarse, size, storage)
        for rows in bands(content):
            at = (..., rows, slice(None))
            enlarged[at] += content[at] - coarse[at]
            storage.release()
        return enlarged

    def shown(self, image: Tensor, size: Size, storage: Storage) -> Tensor:
        """What is to be seen of an image of any size, at a size; on the CPU, in [0, 1]."""
        photograph, colour = self.inputs.content, self.recipe.colour
        image = resized(image.cpu(), size, storage)
        pixels = storage.empty((1, 3, *size), image)
        for rows in bands(image):
            torch.clamp(image[..., rows, :], 0, 1, out=pixels[..., rows, :])
            storage.release()
        if photograph is None or (colour in ("style", "match") and self.inputs.keep is None):
            return pixels
        own = resized(photograph.pixels.cpu(), size, storage)
        alpha = None if photograph.alpha is None else resize(photograph.alpha, size)
        show(pixels, own, alpha, colour, storage.release)
        if self.inputs.keep is not None:
            put_back(pixels, own, self._kept(size), storage)
        return pixels

    def style_size(self, painting: Picture, size: Size) -> Size:
        """Of a painting, for an image of a size."""
        return fit(painting.size, round(self._style_scale(painting) * max(size)))

    def _style_scale(self, style: Picture) -> float:
        """Longer side of a painting over the result's.

        With a photograph it is `style_size`. A texture keeps the painting's own strokes: it is
        never seen enlarged, and never larger than the result, unless asked for.
        """
        own = 1.0
        if self.inputs.content is None:
            own = min(1.0, max(style.size) / self.recipe.size)
        return own * self.recipe.style_size

    def at(
        self, size: Size, picture: Picture, storage: Storage, colours: ColourMap | None
    ) -> Tensor:
        """A picture that is given, at a size and in some colours, (1, 3, H, W)."""
        pixels = resized(picture.pixels, size, storage)
        if colours is not None:
            into = storage.empty(tuple(pixels.shape), pixels)
            pixels = colours(pixels, into=into, release=storage.release)
        return pixels.to(storage.device_for(self.device))

    def _last(self, moved: Moved, size: Size, storage: Storage) -> tuple[Tensor, Tensor]:
        """The last frame's result, moved, and where it can be trusted, at a size."""
        device = storage.device_for(self.device)
        last = resized(moved.picture, size, storage).to(device)
        return last, _weights(moved.weights, size).to(device)

    def _first_after(self, moved: Moved, size: Size, storage: Storage) -> Tensor:
        """What the last frame's result has become, and the photograph where that is not known."""
        last, weights = self._last(moved, size, storage)
        content = self.content(size, storage)
        assert content is not None  # as `read` has seen to
        return torch.lerp(content, last, weights)

    def _kept(self, size: Size) -> Tensor:
        assert self.inputs.keep is not None
        return _weights(self.inputs.keep.pixels.mean(1, keepdim=True), size)


def resized(image: Tensor, size: Size, storage: Storage) -> Tensor:
    """An image (1, 3, H, W) at a size; the same tensor where it has it."""
    if tuple(image.shape[2:]) == size:
        return image
    into = storage.empty((1, 3, *size), image)
    return resize(image, size, into=into, release=storage.release)


def _weights(weights: Tensor, size: Size) -> Tensor:
    """A mask's weights (1, 1, H, W) at another size, in [0, 1]."""
    if tuple(weights.shape[2:]) == size:
        return weights
    return resize(weights, size).clamp_(0, 1)


def _least_side(size: Size, smallest: int) -> int:
    """Longer side at which a picture's shorter side is `smallest`, rounding included."""
    return math.ceil((smallest - 0.5) * max(size) / min(size))
