"""The inputs at the size of a level, the first image, and the picture that a result shows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vangram.images import ColourMap, Picture, resize
from vangram.objective import Evaluate, Region
from vangram.objective.keep import KeepPixels, restore_kept
from vangram.objective.luminance import LuminanceOnly
from vangram.objective.temporal import TemporalConsistency
from vangram.run.colours import apply_colour
from vangram.run.inputs import RunInputs, Size
from vangram.run.plan import LevelPlan
from vangram.settings.recipe import Recipe
from vangram.storage.tensors import IN_MEMORY, Storage, row_bands

TINT_CELL = 16
"""Side in pixels of the cells in which a change of colours is averaged."""
STIFFNESS = 0.03
"""Curvature of the term against flicker beside that of the network's terms, for a weight of 1."""
FAR_SHARE = 1e-3
"""Weight of the whole picture's change of colours beside that of the cells around."""


@dataclass(frozen=True, eq=False)
class ResizedInputs:
    """The inputs at a level's size, in the colours that the network sees."""

    content: Tensor | None
    """The photograph, (1, 3, H, W)."""
    keep: Tensor | None
    """(1, 1, H, W) in [0, 1], 1 where the photograph stays."""
    last: Tensor | None
    """Other frames' results, warped, (1, 3, H, W)."""
    trust: Tensor | None
    """(1, 1, H, W) in [0, 1], 1 where `last` can be trusted."""
    weights: Tensor | None = None
    """Weights of the term against flicker, (1, 1, H, W) in [0, 1]."""
    visible: Tensor | None = None
    """The photograph's alpha, (1, 1, H, W) in [0, 1]; None: opaque."""
    start: Tensor | None = None
    """The first image that the other frames give, (1, 3, H, W)."""


def resize_inputs(inputs: RunInputs, plan: LevelPlan) -> ResizedInputs:
    """Resize the inputs to a level's size."""
    size, storage, pictures = plan.level.size, plan.storage, inputs.pictures
    content, keep, warped = resize_content(inputs, size, plan), None, inputs.warped
    if pictures.keep is not None:
        keep = plan.place(keep_weights(pictures.keep, size, storage))
    visible = None
    if pictures.content is not None and pictures.content.alpha is not None:
        visible = plan.place(_weights(pictures.content.alpha, size, storage))
    if warped is None:
        return ResizedInputs(content, keep, None, None, visible=visible)
    last = plan.place(resized(warped.pixels, size, storage))
    trust = plan.place(_weights(warped.trust, size, storage))
    weights = trust
    if warped.weights is not None:
        weights = plan.place(_weights(warped.weights, size, storage))
    start = None
    if warped.start is not None:
        start = plan.place(resized(warped.start, size, storage))
    return ResizedInputs(content, keep, last, trust, weights, visible, start)


def resize_content(inputs: RunInputs, size: Size, plan: LevelPlan) -> Tensor | None:
    """The photograph at a size, (1, 3, H, W)."""
    content = inputs.pictures.content
    return None if content is None else resize_picture(content, size, plan, inputs.colours.content)


def resize_picture(
    picture: Picture, size: Size, plan: LevelPlan, colours: ColourMap | None
) -> Tensor:
    """A picture at a size, with a colour map applied, (1, 3, H, W)."""
    pixels = resized(picture.pixels, size, plan.storage)
    if colours is not None:
        into = plan.storage.empty(tuple(pixels.shape), pixels)
        pixels = colours(pixels, into=into)
    return plan.place(pixels)


def resize_styles(inputs: RunInputs, plan: LevelPlan) -> list[Tensor]:
    """The paintings, (1, 3, H', W') each, for a level's image."""
    return [
        resize_picture(style, inputs.style_size(style, plan.level.size), plan, colours)
        for style, colours in zip(inputs.pictures.styles, inputs.colours.styles, strict=True)
    ]


def resize_alphas(inputs: RunInputs, plan: LevelPlan) -> list[Tensor | None]:
    """The alpha of each painting, (1, 1, H', W') in [0, 1], for a level's image; None: opaque."""
    size = plan.level.size
    return [
        None
        if style.alpha is None
        else _weights(style.alpha, inputs.style_size(style, size)).to(plan.device)
        for style in inputs.pictures.styles
    ]


def resize_regions(inputs: RunInputs, plan: LevelPlan) -> list[Region]:
    """The regions at the sizes of a level's image and of its paintings."""
    size, device = plan.level.size, plan.device
    sizes = [inputs.style_size(style, size) for style in inputs.pictures.styles]
    return [
        Region(
            region.name,
            _weights(region.weights, size).to(device),
            tuple(
                None if part is None else _weights(part, theirs).to(device)
                for part, theirs in zip(region.parts, sizes, strict=True)
            ),
        )
        for region in inputs.regions
    ]


def wrap_evaluate(
    evaluate: Evaluate, resized_inputs: ResizedInputs, recipe: Recipe, storage: Storage
) -> Evaluate:
    """The objective with kept pixels, in luminance, with the term against flicker, as asked for."""
    content, keep = resized_inputs.content, resized_inputs.keep
    last, weights = resized_inputs.last, resized_inputs.weights
    if content is not None and keep is not None:
        evaluate = KeepPixels(evaluate, content, keep, storage)
    if recipe.colour == "luminance":
        evaluate = LuminanceOnly(evaluate, storage)
    if last is not None and weights is not None:
        evaluate = TemporalConsistency(evaluate, last, weights, recipe.flicker_weight)
    return evaluate


def flicker_stiffness(resized_inputs: ResizedInputs, recipe: Recipe) -> Tensor | None:
    """Curvature of the term against flicker at each pixel, (1, 1, H, W), as `LBFGS` takes it.

    Steps that suit what is held would be far too short for what comes into sight beside it.
    """
    weights = resized_inputs.weights
    return None if weights is None else STIFFNESS * recipe.flicker_weight * weights


def first_image(inputs: RunInputs, resized_inputs: ResizedInputs, plan: LevelPlan) -> Tensor:
    """The image before the first step, (1, 3, H, W)."""
    recipe, content = inputs.recipe, resized_inputs.content
    last, trust = resized_inputs.last, resized_inputs.trust
    if resized_inputs.start is not None:
        return resized_inputs.start
    if last is not None and trust is not None and content is not None:
        first, tint = plan.storage.empty(tuple(last.shape), last), _tint(content, last, trust)
        for rows in row_bands(first):
            at = (..., rows, slice(None))
            first[at] = torch.lerp(content[at] + tint[at], last[at], trust[at])
        return first
    if recipe.init == "content" and content is not None:
        return content
    if inputs.pictures.start is not None:
        start, size = inputs.pictures.start, plan.level.size
        return resize_picture(start, size, plan, inputs.colours.content)
    generator = torch.Generator().manual_seed(recipe.seed)
    noise = plan.place(torch.rand(1, 3, *plan.level.size, generator=generator))
    return noise.sub_(0.5).mul_(recipe.noise_range).add_(0.5)


def _tint(content: Tensor, last: Tensor, trust: Tensor) -> Tensor:
    """The change of colours that results made of the photograph, (1, 3, H, W), spread everywhere.

    What comes into sight begins in the colours around it, for a film's few steps.
    """
    weighed = torch.cat((trust * (last - content), trust), dim=1)
    height, width = trust.shape[2:]
    pooled = F.adaptive_avg_pool2d(weighed, (-(-height // TINT_CELL), -(-width // TINT_CELL)))
    near = F.avg_pool2d(pooled, 3, 1, 1, count_include_pad=False)
    near += FAR_SHARE * pooled.mean((2, 3), keepdim=True)  # where nothing near is trusted
    tint = near[:, :3] / near[:, 3:].clamp(min=torch.finfo(near.dtype).tiny)
    return F.interpolate(tint, (height, width), mode="bilinear")


def upsample(
    image: Tensor, content: Tensor | None, coarse: Tensor | None, plan: LevelPlan
) -> Tensor:
    """The last level's image at this level's size, with the photograph's detail added.

    Without that detail, the level's first steps would be spent on finding it.

    Args:
        image: (1, 3, h, w), of the last level.
        content: (1, 3, H, W), the photograph at this level's size; None: no detail is added.
        coarse: (1, 3, h, w), the same at the last level's size.
        plan: of this level.
    """
    size, storage = plan.level.size, plan.storage
    larger = resized(plan.place(image), size, storage)
    if content is None or coarse is None:
        return larger
    blurred = resized(plan.place(coarse), size, storage)
    for rows in row_bands(content):
        at = (..., rows, slice(None))
        larger[at] += content[at] - blurred[at]
    return larger


def render(inputs: RunInputs, image: Tensor, size: Size, storage: Storage) -> Tensor:
    """An image of any level as a picture of `size`: (1, 3, H, W) in [0, 1], on the CPU."""
    pictures, colour = inputs.pictures, inputs.recipe.colour
    image = resized(image.cpu(), size, storage)
    pixels = storage.empty((1, 3, *size), image)
    for rows in row_bands(image):
        torch.clamp(image[..., rows, :], 0, 1, out=pixels[..., rows, :])
    content = pictures.content
    if content is None or (colour in ("style", "match") and pictures.keep is None):
        return pixels
    own = resized(content.pixels.cpu(), size, storage)
    alpha = None if content.alpha is None else resize(content.alpha, size)
    apply_colour(pixels, own, alpha, colour)
    if pictures.keep is not None:
        restore_kept(pixels, own, keep_weights(pictures.keep, size, storage))
    return pixels


def keep_weights(keep: Picture, size: Size, storage: Storage) -> Tensor:
    """(1, 1, H, W) in [0, 1], 1 where the photograph stays."""
    return _weights(keep.pixels.mean(1, keepdim=True), size, storage)


def resized(image: Tensor, size: Size, storage: Storage) -> Tensor:
    """An image (1, C, H, W) at a size; the same tensor if it has that size."""
    if tuple(image.shape[2:]) == size:
        return image
    into = storage.empty((1, image.shape[1], *size), image)
    return resize(image, size, into=into)


def _weights(weights: Tensor, size: Size, storage: Storage = IN_MEMORY) -> Tensor:
    """A mask's weights (1, 1, H, W) at another size, in [0, 1]."""
    changed = resized(weights, size, storage)
    if changed is not weights:
        for rows in row_bands(changed):
            changed[..., rows, :].clamp_(0, 1)
    return changed
