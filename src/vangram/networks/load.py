"""Loading of a network by name, with its parameters."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import get_args

import torch

from vangram.errors import NetworkError, SettingError
from vangram.networks.cache import parameters_path, remedy_for, sha256_of, verified_sha256
from vangram.networks.parameters import is_original_vgg19, read_parameters
from vangram.networks.registry import CAFFE_MEAN, CAFFE_STD, network_named
from vangram.networks.vgg import FeatureNetwork
from vangram.settings.recipe import Pooling
from vangram.storage.files import quoted, reason
from vangram.storage.tensors import memory_errors

POOLINGS = get_args(Pooling)


@memory_errors()
def load_network(
    name: str,
    device: torch.device | str = "cpu",
    layers: Collection[str] | None = None,
    *,
    parameters: str | os.PathLike[str] | None = None,
    pooling: str = "max",
) -> FeatureNetwork:
    """A network with its parameters, frozen, in float32. Nothing is downloaded.

    Args:
        name: out of `NETWORKS`.
        device: of its parameters.
        layers: layers needed; no deeper convolution is read. None: all.
        parameters: file to read instead of the network's own; it may end after these layers.
        pooling: "max" or "average".

    Returns:
        The network; its `sha256` is that of the file.

    Raises:
        LayerError: a layer is unknown, or the file ends before it.
        MemoryError: the parameters do not fit into the memory.
        NetworkError: the name is unknown; the file is missing, damaged or of another network.
        SettingError: the pooling is unknown.
    """
    entry = network_named(name)
    if pooling not in POOLINGS:
        raise SettingError(f"no pooling {pooling!r}; there are {', '.join(POOLINGS)}")
    topology = replace(entry.topology, pooling=pooling)
    if layers is not None:
        topology = topology.up_to(layers)
    if parameters is not None:
        path, remedy = Path(parameters), f"give a file of {name}'s parameters"
        sha256 = _sha256_of_given(path, remedy)
    else:
        path, remedy = parameters_path(name), remedy_for(name)
        sha256 = verified_sha256(name)
    network = FeatureNetwork(topology)
    shapes = {key: values.shape for key, values in network.state_dict().items()}
    found = read_parameters(
        path, topology, shapes, channel_order=entry.channel_order, remedy=remedy
    )
    if is_original_vgg19(found):  # its input is normalised as in training, whichever name was given
        network = FeatureNetwork(replace(topology, mean=CAFFE_MEAN, std=CAFFE_STD))
    network.load_state_dict(found)
    network.sha256 = sha256
    return network.freeze().to(device)


def _sha256_of_given(path: Path, remedy: str) -> str:
    try:
        return sha256_of(path)
    except FileNotFoundError as error:
        raise NetworkError(f"{quoted(path)} is not there; {remedy}") from error
    except OSError as error:
        raise NetworkError(f"{quoted(path)} cannot be read ({reason(error)}); {remedy}") from error
