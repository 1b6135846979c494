"""What a run is given: pictures read and checked against its recipe, and what it runs on."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import torch

from vangram.errors import SettingError, SizeError
from vangram.images import Picture, Source, fit, read_picture, resize
from vangram.networks import (
    FeatureNetwork,
    channel_means,
    load_network,
    normalise_channels,
    shipped_channel_means,
)
from vangram.run.previous import Before, read_before
from vangram.run.regions import Guide, check_shape, guides_of
from vangram.settings.recipe import Recipe
from vangram.settings.record import INPUTS, Input, numbered

NORMALISED_OVER = 512
"""Pixels of the longer side of pictures that a network is normalised over."""


@dataclass(frozen=True)
class Given:
    """The pictures of a run."""

    content: Picture | None
    """The photograph; a texture has none."""
    styles: tuple[Picture, ...]
    """The paintings; a content reconstruction has none."""
    start: Picture | None
    """What the first image is, where it is neither the photograph nor noise."""
    mask: Picture | None = None
    """Regions of the photograph."""
    style_masks: tuple[Picture, ...] = ()
    """Regions of each painting."""
    keep: Picture | None = None
    """What stays of the photograph: all where it is white, nothing where it is black."""
    before: Before | None = None
    """The frame before, where this is one of a sequence."""
    guides: tuple[Guide, ...] = ()
    """What the masks say."""
    notes: tuple[str, ...] = ()
    """What there is to say of them."""

    def __iter__(self) -> Iterator[Picture]:
        """Those that there are."""
        return (p for p in (self.content, *self.styles, self.start) if p is not None)

    @property
    def inputs(self) -> dict[str, Any]:
        """What a record says of them, by its fields."""
        named = {"content": self.content, "start": self.start, **numbered("style", self.styles)}
        named |= {"mask": self.mask, **numbered("style-mask", self.style_masks)}
        named["keep"] = self.keep
        if self.before is not None:
            named |= {"before": self.before.picture, "before-frame": self.before.frame}
        found = {name: Input(p.name, p.sha256) for name, p in named.items() if p is not None}
        if self.before is not None and self.before.flow_file is not None:
            found["flow"] = self.before.flow_file
        fields = {name: found.pop(name) for name in INPUTS if name in found}
        return fields | {"others": found}

    def proportions(self, recipe: Recipe) -> tuple[int, int]:
        """Height to width of the result: the photograph's, as asked for, or the painting's."""
        if self.content is not None:
            return self.content.size
        return recipe.proportions or self.styles[0].size

    def style_scale(self, style: Picture, recipe: Recipe) -> float:
        """Longer side of a painting over the result's, before `style_size`.

        With a photograph they are the same. A texture keeps the painting's own strokes: it is never
        seen enlarged, and never larger than the result, unless asked for.
        """
        own = 1.0 if self.content is not None else min(1.0, max(style.size) / recipe.size)
        return own * recipe.style_size

    def least_size(self, recipe: Recipe, network: FeatureNetwork) -> int:
        """Longer side in pixels of the smallest result that has the recipe's layers.

        Raises:
            SizeError: the recipe asks for less, or the painting itself is too small.
        """
        smallest = network.topology.smallest_size(recipe.layers)
        deepest = recipe.layers[-1]
        least = _least_side(self.proportions(recipe), smallest)
        for style in self.styles:
            if self.content is None and min(style.size) * recipe.style_size < smallest:
                raise SizeError(
                    f"the painting is too small: {deepest} needs {smallest} px along its shorter"
                    " side; use a larger one, or shallower layers"
                )
            scale = self.style_scale(style, recipe)
            least = max(least, math.ceil(_least_side(style.size, smallest) / scale))
        if recipe.size < least:
            raise SizeError(
                f"size {recipe.size} is too small: {deepest} needs {smallest} px along a "
                f"picture's shorter side; use --size {least}, or shallower layers"
            )
        return least


def read(
    content: Source | None,
    styles: Sequence[Source],
    start: Source | None,
    recipe: Recipe,
    *,
    mask: Source | None = None,
    style_masks: Sequence[Source] = (),
    keep: Source | None = None,
    before: Source | None = None,
    before_frame: Source | None = None,
    flow: str | os.PathLike[str] | None = None,
) -> Given:
    """Read the pictures that a recipe needs, and see that they are those.

    Raises:
        SettingError: one is missing, or contradicts the recipe.
        PictureError: one cannot be read.
    """
    if content is None and (recipe.wants_content or recipe.init == "content"):
        raise SettingError("content terms, and a start from the content, need a photograph")
    if not styles and recipe.wants_style:
        raise SettingError("style terms need a painting; without one, set style_weight to 0")
    if content is None and not styles:
        raise SettingError("neither a photograph nor a painting is given")
    if content is not None and recipe.proportions is not None:
        raise SettingError("the photograph gives the proportions; leave them out")
    if recipe.colour != "style" and (content is None or not styles):
        raise SettingError(
            f'colour "{recipe.colour}" needs a photograph and a painting; with one of them alone,'
            ' leave it at "style"'
        )
    if len({recipe.init == "before", before is not None, before_frame is not None}) > 1:
        raise SettingError('init "before", the last result and the last frame go together')
    if before is None and flow is not None:
        raise SettingError("a flow leads to the frame before; give that as well")
    if before is not None and content is None:
        raise SettingError("a frame before goes with a photograph")
    if (recipe.init == "picture") != (start is not None):
        raise SettingError('init "picture" and a picture to start from go together')
    recipe.shares(len(styles))  # as many as there are
    if content is None and (mask is not None or keep is not None):
        raise SettingError("a mask is one of a photograph, and none is given")
    photograph, first, regions, kept = (
        None if source is None else read_picture(source) for source in (content, start, mask, keep)
    )
    paintings = tuple(read_picture(style) for style in styles)
    theirs = tuple(read_picture(each) for each in style_masks)
    notes = [
        check_shape(each, photograph)
        for each in (regions, kept)
        if each is not None and photograph is not None
    ]
    return Given(
        photograph,
        paintings,
        first,
        regions,
        theirs,
        kept,
        None if before is None or before_frame is None else read_before(before, before_frame, flow),
        guides_of(regions, theirs, paintings),
        tuple(note for note in notes if note is not None),
    )


def network_for(
    recipe: Recipe, given: Given, parameters: str | os.PathLike[str] | None, device: torch.device
) -> FeatureNetwork:
    """The recipe's network, as deep as its layers.

    Args:
        recipe: name, layers, pooling, whether to normalise, precision.
        given: pictures to normalise over, where no figures are shipped.
        parameters: a file to read instead of the network's own.
        device: where it is to be.

    Raises:
        LayerError: a layer is unknown, or the file ends before it.
        NetworkError: the network is unknown, or its file is missing or damaged.
    """
    network = load_network(
        recipe.network, device, recipe.layers, parameters=parameters, pooling=recipe.pooling
    )
    network.tf32 = recipe.precision == "tf32"
    if recipe.normalise:
        measured = parameters is None and recipe.pooling == "max"
        means = shipped_channel_means(recipe.network) if measured else None
        if means is None:
            sizes = (fit(picture.size, min(recipe.size, NORMALISED_OVER)) for picture in given)
            pictures = (
                resize(picture.pixels, size).to(device)
                for picture, size in zip(given, sizes, strict=True)
            )
            means = channel_means(network, pictures)
        normalise_channels(network, means)
    return network


def device_for(name: str) -> torch.device:
    """The device of a name, or the fastest for "auto".

    Raises:
        SettingError: it is not there, or knows no float64, as Apple's GPUs.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        float(torch.zeros(1, device=device).double())
    except TypeError as error:
        raise SettingError(
            f"{name!r} knows no float64, in which losses are summed up; try --device cpu"
        ) from error
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise SettingError(f"there is no device {name!r} here; try --device cpu") from error
    return device


def versions_on(device: torch.device) -> dict[str, str]:
    """What the arithmetic depends on."""
    return {
        "vangram": metadata.version("vangram"),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": str(torch.get_num_threads()),
        "device": device.type,
    }


def _least_side(size: tuple[int, int], smallest: int) -> int:
    """Longer side at which a picture's shorter side is `smallest`, rounding included."""
    return math.ceil((smallest - 0.5) * max(size) / min(size))
