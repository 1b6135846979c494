"""The networks there are: name, shape, file and licence."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from vangram.errors import NetworkError
from vangram.networks.feature_network import FeatureNetwork, Topology

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

VGG19 = Topology(
    widths=(64, 128, 256, 512, 512),
    depths=(2, 2, 4, 4, 4),
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
)
"""Simonyan and Zisserman 2014, table 1, column E, without its classifier."""

VGG19_LITE = Topology(
    widths=(32, 64, 96, 160, 160),
    depths=(2, 2, 3, 4, 1),
    heads={"relu1_1": 64, "relu2_1": 128, "relu3_1": 256, "relu4_1": 512, "relu5_1": 512},
    padding="reflect",
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
)
"""What `training/` distils. Reflection, because zeros draw a dark frame around a picture."""


@dataclass(frozen=True)
class Network:
    """An entry of the registry."""

    topology: Topology
    file: str
    """Of the parameters, in this package."""
    licence: str


NETWORKS = {
    "vgg19-lite": Network(VGG19_LITE, "vgg19-lite.safetensors", "Apache-2.0; see its model card"),
}


def load_network(name: str, device: torch.device | str = "cpu") -> FeatureNetwork:
    """A network with its parameters, frozen, float32, ready to be called.

    Raises:
        NetworkError: the name is unknown, or the file is damaged.
    """
    content = _content(name)
    network = FeatureNetwork(NETWORKS[name].topology)
    try:
        network.load_state_dict(load(content))
    except (SafetensorError, RuntimeError) as error:
        raise NetworkError(
            f"the parameters of {name} are damaged ({type(error).__name__}): reinstall vangram"
        ) from error
    return network.freeze().to(device)


def network_sha256(name: str) -> str:
    """SHA-256 of a network's parameter file, in hexadecimal.

    Raises:
        NetworkError: the name is unknown, or the file is missing.
    """
    return hashlib.sha256(_content(name)).hexdigest()


def _content(name: str) -> bytes:
    if name not in NETWORKS:
        raise NetworkError(f"no network {name!r}; there are {', '.join(NETWORKS)}")
    file = resources.files("vangram.networks") / NETWORKS[name].file
    try:
        return file.read_bytes()
    except OSError as error:
        raise NetworkError(f"the parameters of {name} are missing: reinstall vangram") from error
