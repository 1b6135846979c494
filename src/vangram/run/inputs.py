"""The inputs of a run: decoded, and checked against each other and the recipe."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypedDict, TypeVar

import torch
from torch import Tensor

from vangram.errors import SettingError, SizeError
from vangram.images import Picture, Source, fit, keep_mask, largest_within, read_picture
from vangram.images.flow import opencv, read_flow
from vangram.networks import Topology
from vangram.objective import Region
from vangram.run.colours import ColourMaps, colour_maps
from vangram.run.memory import PIXEL_BYTES, WEIGHT_BYTES, InputMemory
from vangram.run.regions import check_shape, read_regions
from vangram.run.visible import visible_inputs
from vangram.run.warp import WarpedResult, warp_result
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import LARGEST_SIZE, Recipe
from vangram.storage.files import quoted

T = TypeVar("T")
Size = tuple[int, int]
"""(height, width) in pixels."""
RunSource = Source | Picture
"""An input of a run, as a user gives it or decoded."""


class OtherInputs(TypedDict, total=False):
    """Inputs beside the photograph and the paintings, as keyword arguments."""

    start: Source | None
    """A picture to start from; implies `init="picture"`."""
    parameters: str | os.PathLike[str] | None
    """A file with the network's parameters, instead of the published one."""
    mask: Source | None
    """A picture whose colours mark regions of the photograph, each with the style of a painting."""
    style_masks: Source | Sequence[Source]
    """A mask for each painting; a region takes its style from the part of the same colour."""
    keep: Source | None
    """A mask, white where the photograph stays."""
    before: Source | None
    """In a sequence, the result of the frame before; implies `init="before"`."""
    before_frame: Source | None
    """In a sequence, the frame before."""
    flow: str | os.PathLike[str] | None
    """A .flo file with the optical flow from this frame to the one before."""
    flow_back: str | os.PathLike[str] | None
    """A .flo file with the flow from the frame before to this one."""


@dataclass(frozen=True, eq=False)
class RunInputs:
    """The inputs of a run, each decoded once."""

    pictures: Inputs[Picture]
    """The decoded pictures: all inputs except the flows and the parameters."""
    recipe: Recipe
    flow: Tensor | None = None
    """Flow from the photograph to the frame before, (1, 2, H, W); None: computed when needed."""
    flow_back: Tensor | None = None
    """Flow from the frame before to the photograph, (1, 2, H, W); None: computed when needed."""
    others: WarpedResult | None = None
    """Results of other frames, warped, instead of the frame before's."""
    regions: tuple[Region, ...] = ()
    """The regions of the masks; empty: one style everywhere."""
    notes: tuple[str, ...] = ()
    """Regions found, masks resized and other remarks, a line each."""

    @property
    def images(self) -> tuple[Picture, ...]:
        """Content, styles and start."""
        pictures = self.pictures
        single = (pictures.content, *pictures.styles, pictures.start)
        return tuple(picture for picture in single if picture is not None)

    @property
    def proportions(self) -> Size:
        """(height, width) whose ratio the result has: photograph, recipe or painting."""
        if self.pictures.content is not None:
            return self.pictures.content.size
        return self.recipe.proportions or self.pictures.styles[0].size

    @cached_property
    def colours(self) -> ColourMaps:
        """Maps to the colours in which the network sees the photograph and the paintings."""
        return colour_maps(self.pictures.content, self.pictures.styles, self.recipe.colour)

    @cached_property
    def warped(self) -> WarpedResult | None:
        """Results of other frames, warped; None where there are none."""
        given = self.pictures
        if given.before is None or given.before_frame is None or given.content is None:
            return self.others
        return warp_result(
            given.before, given.before_frame, given.content, self.flow, self.flow_back
        )

    @property
    def memory(self) -> InputMemory:
        """The inputs' part in the memory model."""
        before, content = self.pictures.before, self.pictures.content
        held = [*self.pictures, *([] if before is None else [before])]  # it is held warped as well
        weights = [weight for region in self.regions for weight in (region.weights, *region.parts)]
        others = () if self.others is None else vars(self.others).values()
        tensors = [
            each for each in (*weights, self.flow, self.flow_back, *others) if each is not None
        ]
        return InputMemory(
            decoded=sum((PIXEL_BYTES + WEIGHT_BYTES) * math.prod(picture.size) for picture in held)
            + sum(tensor.numel() * tensor.element_size() for tensor in tensors),
            keep=self.pictures.keep is not None,
            sequence=before is not None or self.others is not None,
            regions=len(self.regions) + (content is not None and content.alpha is not None),
        )

    def style_size(self, style: Picture, size: Size) -> Size:
        """(height, width) of a painting for an image of `size`."""
        return fit(style.size, round(self._style_scale(style) * max(size)))

    def least_size(self, topology: Topology) -> int:
        """Longer side in pixels of the smallest result for which all layers exist.

        Raises:
            SizeError: the recipe asks for a smaller one, or the painting itself is too small.
        """
        recipe, pictures = self.recipe, self.pictures
        smallest = topology.smallest_size(recipe.layers)
        deepest = recipe.layers[-1]
        least = _least_side(self.proportions, smallest)
        for style in pictures.styles:
            if pictures.content is None and min(style.size) * recipe.style_size < smallest:
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

    def _style_scale(self, style: Picture) -> float:
        """Longer side of a painting relative to the result's.

        `style_size` with a photograph. For a texture, the painting is never enlarged and never
        larger than the result, unless `style_size` says so.
        """
        own = 1.0
        if self.pictures.content is None:
            own = min(1.0, max(style.size) / self.recipe.size)
        return own * self.recipe.style_size


def check_inputs(
    inputs: Inputs[RunSource], recipe: Recipe, others: WarpedResult | None = None
) -> None:
    """Check that the inputs and the recipe go together.

    Args:
        inputs: of the run.
        recipe: of the run.
        others: results of other frames, instead of the frame before.

    Raises:
        SettingError: an input is missing, contradicts the recipe or another input, or needs a
            package that is not installed.
    """
    if inputs.content is None and (recipe.wants_content or recipe.init == "content"):
        raise SettingError("content terms, and a start from the content, need a photograph")
    if not inputs.styles and recipe.wants_style:
        raise SettingError("style terms need a painting; without one, set style_weight to 0")
    if inputs.content is None and not inputs.styles:
        raise SettingError("neither a photograph nor a painting is given")
    if inputs.content is not None and recipe.proportions is not None:
        raise SettingError("the photograph gives the proportions; leave them out")
    if recipe.colour != "style" and (inputs.content is None or not inputs.styles):
        raise SettingError(
            f'colour "{recipe.colour}" needs a photograph and a painting; with one of them alone,'
            ' leave it at "style"'
        )
    before = inputs.before is not None
    if (
        others is None
        and len({recipe.init == "before", before, inputs.before_frame is not None}) > 1
    ):
        raise SettingError('init "before", the last result and the last frame go together')
    if not before and (inputs.flow is not None or inputs.flow_back is not None):
        raise SettingError("a flow leads to the frame before; give that as well")
    if inputs.flow is None and inputs.flow_back is not None:
        raise SettingError("flow_back is the way back of a flow; give that as well")
    if before and inputs.content is None:
        raise SettingError("a frame before goes with a photograph")
    if before and (inputs.flow is None or inputs.flow_back is None):
        opencv()
    if (recipe.init == "picture") != (inputs.start is not None):
        raise SettingError('init "picture" and a picture to start from go together')
    recipe.shares(len(inputs.styles))  # raises where their number is not the paintings'
    if inputs.content is None and (inputs.mask is not None or inputs.keep is not None):
        raise SettingError("a mask is one of a photograph, and none is given")


def read_source(source: RunSource, recipe: Recipe) -> Picture:
    """Decode an input of a run.

    Its pixels are bounded by the recipe's memory, if that is the CPU's, or by what is free. A JPEG
    beyond that is read at a smaller size, if that is enough for the recipe's.

    Raises:
        PictureError: it cannot be read.
        SizeError: it has more pixels than the memory allows.
    """
    if isinstance(source, Picture):
        return source
    on_cpu = recipe.device == "cpu" or not torch.cuda.is_available()
    wanted = math.ceil(recipe.size * max(recipe.style_size, 1))
    largest = largest_within(recipe.memory if on_cpu else None)
    return read_picture(source, largest=largest, wanted=wanted)


def read_inputs(
    inputs: Inputs[RunSource], recipe: Recipe, others: WarpedResult | None = None
) -> RunInputs:
    """Decode the inputs, which `check_inputs` has accepted; `others` are taken as they are.

    Raises:
        PictureError: one cannot be read, or is transparent everywhere.
        SizeError: one has more pixels than the memory allows.
        SettingError: a mask cannot be used, or does not fit its picture.
    """
    pictures = replace(inputs, flow=None, flow_back=None, parameters=None).map(
        lambda source: read_source(source, recipe)
    )
    if pictures.keep is not None:
        pictures = replace(pictures, keep=keep_mask(pictures.keep))
    notes = [note for picture in pictures for note in picture.notes]
    for mask in (pictures.mask, pictures.keep):
        if mask is not None and pictures.content is not None:
            check_shape(mask, pictures.content)
            if mask.size != pictures.content.size:
                notes.append(f"the mask {quoted(mask.name)} is resized to its picture")
    frame = pictures.content or pictures.before
    flow, back = (
        read_flow(path_of(source, "flow"), frame.size) if source and frame else None
        for source in (inputs.flow, inputs.flow_back)
    )
    regions, found = read_regions(pictures.mask, pictures.style_masks, pictures.styles)
    pictures, regions, hidden = visible_inputs(pictures, regions)
    notes += [*found, *hidden]
    return RunInputs(pictures, recipe, flow, back, others, regions, tuple(dict.fromkeys(notes)))


def flattened(given: Iterable[T | Sequence[T]]) -> tuple[T, ...]:
    """Each input; a list's items one by one."""
    return tuple(
        each for part in given for each in (part if isinstance(part, list | tuple) else (part,))
    )


def path_of(source: RunSource, name: str) -> str:
    """The path of an input that can only be a file.

    Raises:
        SettingError: it is a picture in memory.
    """
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    raise SettingError(f"the {name} can only be read from a file: give its path")


def _least_side(size: Size, smallest: int) -> int:
    """Longer side for which the shorter side, rounded, is `smallest`."""
    return math.ceil((smallest - 0.5) * max(size) / min(size))
