"""The network of a run; its parameters are read and hashed once a process."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

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


class _Key(NamedTuple):
    """All that decides a network's parameters, its depth aside."""

    name: str
    published: bool
    """Whether the file is the network's own, whose hash is known."""
    path: str
    size: int
    modified: int
    """Time in nanoseconds."""
    device: str
    normalised: bool


class NetworkCache:
    """The network that was loaded last, as deep as it was asked for.

    One alone is kept, because two would be more than a run's plan counts.
    """

    def __init__(self) -> None:
        self._key: _Key | None = None
        self._network: FeatureNetwork | None = None

    def get(
        self,
        recipe: Recipe,
        parameters: str | None,
        device: torch.device,
        layers: Collection[str] | None = None,
    ) -> FeatureNetwork:
        """The recipe's network; its parameters are shared, and must not be changed.

        Args:
            recipe: name, layers, pooling, precision, and whether to normalise by shipped means.
            parameters: a file to read instead of the network's own.
            device: where it is to be.
            layers: those that will be asked for; None: the recipe's.

        Raises:
            LayerError: a layer is unknown, or the file ends before it.
            NetworkError: the network is unknown, or its file is missing or damaged.
        """
        layers = recipe.layers if layers is None else layers
        means = _shipped_means(recipe, parameters)
        key = _key(recipe.network, parameters, device, means is not None)
        found = self._network if key is not None and key == self._key else None
        if found is None or not set(layers) <= set(found.topology.layers):
            self.forget()  # before the next one is read
            found = load_network(recipe.network, device, layers, parameters=parameters)
            if means is not None:
                normalise_channels(found, means)
            self._key, self._network = key, found
        topology = replace(found.topology, pooling=recipe.pooling).up_to(layers)
        return found.view(topology, tf32=recipe.precision == "tf32")

    def forget(self) -> None:
        """Let go of the network."""
        self._key = self._network = None


NETWORK_CACHE = NetworkCache()
"""Shared by all runs of the process."""


def network_for(
    recipe: Recipe, pictures: Sequence[Picture], parameters: str | None, device: torch.device
) -> FeatureNetwork:
    """The recipe's network, as deep as its layers.

    Args:
        recipe: name, layers, pooling, whether to normalise, precision.
        pictures: to normalise over, where no means are shipped.
        parameters: a file to read instead of the network's own.
        device: where it is to be.

    Raises:
        LayerError: a layer is unknown, or the file ends before it.
        NetworkError: the network is unknown, or its file is missing or damaged.
    """
    if not recipe.normalise or _shipped_means(recipe, parameters) is not None:
        return NETWORK_CACHE.get(recipe, parameters, device)
    NETWORK_CACHE.forget()  # before another is read, which these pictures alone decide
    network = load_network(
        recipe.network, device, recipe.layers, parameters=parameters, pooling=recipe.pooling
    )
    network.tf32 = recipe.precision == "tf32"
    side = min(recipe.size, NORMALISED_OVER)
    means = channel_means(
        network, (resize(p.pixels, fit(p.size, side)).to(device) for p in pictures)
    )
    normalise_channels(network, means)
    return network


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
            f"{name!r} knows no float64, in which losses are summed up; try --device cpu"
        ) from error
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise SettingError(f"there is no device {name!r} here; try --device cpu") from error
    return device


def _shipped_means(recipe: Recipe, parameters: str | None) -> dict[str, Tensor] | None:
    """The channel means that the recipe's network is normalised by, where they are shipped."""
    measured = parameters is None and recipe.pooling == "max"
    return shipped_channel_means(recipe.network) if recipe.normalise and measured else None


def _key(name: str, parameters: str | None, device: torch.device, normalised: bool) -> _Key | None:
    """None where the file is not there, which loading tells better."""
    path = Path(parameters) if parameters is not None else parameters_path(name)
    try:
        status = os.stat(path)
    except OSError:
        return None
    return _Key(
        name,
        parameters is None,
        str(path.absolute()),
        status.st_size,
        status.st_mtime_ns,
        str(device),
        normalised,
    )
