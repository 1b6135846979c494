"""What a run is given: pictures read and checked against its recipe, and what it runs on."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata

import torch

from vangram.errors import SettingError
from vangram.images import Picture, Source, fit, keep_mask, largest_within, read_picture, resize
from vangram.networks import (
    FeatureNetwork,
    channel_means,
    load_network,
    normalise_channels,
    shipped_channel_means,
)
from vangram.run.regions import check_shape
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe

NORMALISED_OVER = 512
"""Pixels of the longer side of pictures that a network is normalised over."""


def check(inputs: Inputs[Source], recipe: Recipe) -> None:
    """Check that the inputs and the recipe go together.

    Raises:
        SettingError: an input is missing, or contradicts the recipe or another input.
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
    if len({recipe.init == "before", before, inputs.before_frame is not None}) > 1:
        raise SettingError('init "before", the last result and the last frame go together')
    if not before and inputs.flow is not None:
        raise SettingError("a flow leads to the frame before; give that as well")
    if before and inputs.content is None:
        raise SettingError("a frame before goes with a photograph")
    if (recipe.init == "picture") != (inputs.start is not None):
        raise SettingError('init "picture" and a picture to start from go together')
    recipe.shares(len(inputs.styles))  # refuses another number of shares than of paintings
    if inputs.content is None and (inputs.mask is not None or inputs.keep is not None):
        raise SettingError("a mask is one of a photograph, and none is given")


def read(inputs: Inputs[Source], recipe: Recipe, device: torch.device) -> Inputs[Picture]:
    """Decode the pictures among the inputs; the flow and the parameters are left out.

    Args:
        inputs: what is given.
        recipe: its memory, where the run takes place in it, bounds the size of a picture; a JPEG
            that is larger is read at a smaller size, if that is enough for the recipe's.
        device: of the run.

    Raises:
        PictureError: one cannot be read.
        SizeError: one has more pixels than the memory allows.
        SettingError: the mask of what is kept is none.
    """
    largest = largest_within(recipe.memory if device.type == "cpu" else None)
    wanted = math.ceil(recipe.size * max(recipe.style_size, 1))
    pictures = replace(inputs, flow=None, parameters=None).map(
        lambda source: read_picture(source, largest=largest, wanted=wanted)
    )
    return pictures if pictures.keep is None else replace(pictures, keep=keep_mask(pictures.keep))


def notes_of(pictures: Inputs[Picture]) -> tuple[str, ...]:
    """What reading has changed, and which masks of the photograph have to be resized, a line each.

    Raises:
        SettingError: a mask has another shape than the photograph.
    """
    masks = [mask for mask in (pictures.mask, pictures.keep) if mask is not None]
    notes = [check_shape(mask, pictures.content) for mask in masks if pictures.content is not None]
    read = (note for picture in pictures for note in picture.notes)
    return (*dict.fromkeys(read), *(note for note in notes if note is not None))


def path_of(source: Source | None, name: str) -> str | None:
    """The path of an input that can only be a file.

    Raises:
        SettingError: it is a picture in memory.
    """
    if source is None or isinstance(source, str | os.PathLike):
        return None if source is None else os.fspath(source)
    raise SettingError(f"the {name} are read from a file: give its path")


def network_for(
    recipe: Recipe, pictures: Sequence[Picture], parameters: str | None, device: torch.device
) -> FeatureNetwork:
    """The recipe's network, as deep as its layers.

    Args:
        recipe: name, layers, pooling, whether to normalise, precision.
        pictures: to normalise over, where no figures are shipped.
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
            side = min(recipe.size, NORMALISED_OVER)
            means = channel_means(
                network, (resize(p.pixels, fit(p.size, side)).to(device) for p in pictures)
            )
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
