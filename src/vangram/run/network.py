"""The network of a run; its parameters are read and hashed once a process."""

from __future__ import annotations

import os
from collections.abc import Collection, Hashable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from vangram.errors import SettingError
from vangram.images import Picture, fit, resize
from vangram.networks import (
    FeatureNetwork,
    channel_means,
    load_network,
    normalise_channels,
    parameters_path,
    shipped_channel_means,
)
from vangram.settings.recipe import Recipe

NORMALISED_OVER = 512
"""Longer side in pixels of the pictures that a network is normalised over."""


CACHE: dict[Hashable, FeatureNetwork] = {}
"""The process's last network, by all that decides its parameters. One alone is kept, because two
would be more than a run's plan counts."""


def network_for(
    recipe: Recipe,
    parameters: str | None,
    device: torch.device,
    pictures: Sequence[Picture] = (),
    layers: Collection[str] = (),
) -> FeatureNetwork:
    """The recipe's network; other runs share its parameters, which must not be changed.

    Args:
        recipe: name, layers, pooling, precision, and whether to normalise.
        parameters: a file to read instead of the network's own.
        device: where it is to be.
        pictures: to normalise over, where no means are shipped; the network is then not shared.
        layers: the deepest that it needs; empty: the recipe's.

    Raises:
        LayerError: a layer is unknown, or the file ends before it.
        NetworkError: the network is unknown, or its file is missing or damaged.
    """
    layers, means = layers or recipe.layers, None
    if recipe.normalise and recipe.pooling == "max" and parameters is None:
        means = shipped_channel_means(recipe.network)
    shared = means is not None or not recipe.normalise
    key = _key(recipe, parameters, device) if shared else None
    network = CACHE.get(key)
    if network is None or not set(layers) <= set(network.topology.layers):
        CACHE.clear()  # before the next one is read
        network = load_network(
            recipe.network, device, layers, parameters=parameters, pooling=recipe.pooling
        )
        if not shared and pictures:
            side = min(recipe.size, NORMALISED_OVER)
            resized = (resize(p.pixels, fit(p.size, side)).to(device) for p in pictures)
            means = channel_means(network, resized)
        if means is not None:
            normalise_channels(network, means)
        if key is not None:
            CACHE[key] = network
    topology = replace(network.topology, pooling=recipe.pooling).up_to(layers)
    return network.view(topology, tf32=recipe.precision == "tf32")


def device_for(name: str) -> torch.device:
    """The device of a name, or the fastest for "auto".

    Raises:
        SettingError: it is not there, or has no float64, as Apple's GPUs.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        float(torch.zeros(1, device=device).double())
    except TypeError as error:
        raise SettingError(
            f"device {name!r} has no float64, in which losses are summed up; try --device cpu"
        ) from error
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise SettingError(f"there is no device {name!r} here; try --device cpu") from error
    return device


def _key(recipe: Recipe, parameters: str | None, device: torch.device) -> Hashable:
    """All that decides the parameters of a shared network; None if the file is missing."""
    path = parameters_path(recipe.network) if parameters is None else Path(parameters)
    try:
        status = os.stat(path)
    except OSError:
        return None  # loading tells why
    published = parameters is None  # its hash is known, and checked when it is read
    file = str(path.absolute()), status.st_size, status.st_mtime_ns
    return recipe.network, published, file, str(device), recipe.normalise
