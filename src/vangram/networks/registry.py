"""Registry of networks: topology, parameter file, source, licence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from vangram.errors import NetworkError
from vangram.networks.topology import Topology

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CAFFE_MEAN = (123.68 / 255, 116.779 / 255, 103.939 / 255)
CAFFE_STD = (1 / 255, 1 / 255, 1 / 255)
"""The original networks take values from 0 to 255, minus a mean colour."""
VGG19_ORIGINAL_BIAS = (0.730178, 0.064936, 0.034288, 0.826039)
"""First biases of conv1_1 in the original VGG-19, to recognise its parameters."""

VGG19 = Topology(
    widths=(64, 128, 256, 512, 512),
    depths=(2, 2, 4, 4, 4),
    average_scale=(1.333, 1.650, 1.309, 1.996),
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
)
"""Simonyan and Zisserman 2014, table 1, column E, without its classifier.

The averages' scales were measured over a hundred photographs of 256 px, in the original network
(`training.figures`). They give each pooling the mean activation that it has with maxima, one after
the other, as averages excite the next filters more than maxima do.
"""

VGG16 = replace(VGG19, depths=(2, 2, 3, 3, 3))
"""Column D. The averages' scales are VGG-19's."""

VGG19_LITE = Topology(
    widths=(32, 96, 128, 320, 512),
    depths=(2, 2, 4, 4, 1),
    wide={"3_1": 256, "4_2": 512, "4_3": 256, "4_4": 512},
    feature_layers=("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1"),
    heads={"relu1_1": 64, "relu2_1": 128, "relu4_1": 512},
    padding="reflect",
    average_scale=(1.447, 1.266, 1.281, 2.052),
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
)
"""The network that `training/` distils. Reflection: zeros draw a dark frame around a picture.

The averages' scales were measured as VGG-19's, in this network.
"""


@dataclass(frozen=True)
class Network:
    """An entry of the registry."""

    topology: Topology
    file: str
    """Name of the parameter file, in this package or in the cache."""
    licence: str
    source: str = "vangram"
    """Origin of the parameters."""
    size: int = 0
    """Size of the file in bytes."""
    sha256: str | None = None
    """SHA-256 of the file, in hexadecimal; None: only the first digits, in its name, are known."""
    urls: tuple[str, ...] = ()
    """Addresses to download from, tried in order; empty: it ships with the package."""
    channel_order: Literal["RGB", "BGR"] = "RGB"
    """Order of the first filters' input channels in a file with torchvision's names."""
    version: str = ""
    """Version of parameters that ship with the package."""
    means_file: str | None = None
    """File of the channels' mean activations in this package, for `normalise_channels`."""
    means_sha256: str | None = None
    """SHA-256 of that file."""


def _original(topology: Topology, file: str, size: int) -> Network:
    """Parameters by the authors of VGG, converted from Caffe by J. Johnson."""
    return Network(
        replace(topology, mean=CAFFE_MEAN, std=CAFFE_STD),
        file,
        licence="CC BY 4.0",
        source="Oxford VGG, by way of jcjohnson/pytorch-vgg",
        size=size,
        urls=(
            f"https://web.eecs.umich.edu/~justincj/models/{file}",
            f"https://s3-us-west-2.amazonaws.com/jcjohns-models/{file}",
        ),
        channel_order="BGR",
    )


def _torchvision(topology: Topology, file: str, size: int, sha256: str) -> Network:
    """Parameters trained by torchvision's authors: IMAGENET1K_V1."""
    return Network(
        topology,
        file,
        licence="BSD-3-Clause; ImageNet's terms",
        source="torchvision",
        size=size,
        sha256=sha256,
        urls=(f"https://download.pytorch.org/models/{file}",),
    )


NETWORKS = {
    "vgg19-lite": Network(
        VGG19_LITE,
        "vgg19-lite.safetensors",
        licence="Apache-2.0; see its model card",
        size=9_167_624,
        version="8",
        sha256="49376632c484df666bb7c2b2957ce09acde94f1e0c0a438714a2492b2be70493",
        means_file="vgg19-lite-means.safetensors",
        means_sha256="8263d42bb935c3faa17f41ecf4d70e0b48a0e8db1196c86c700593205c0fb1a5",
    ),
    "vgg19": _torchvision(
        VGG19,
        "vgg19-dcbb9e9d.pth",
        574_673_361,
        "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
    ),
    "vgg16": _torchvision(
        VGG16,
        "vgg16-397923af.pth",
        553_433_881,
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    ),
    # The sizes of these two count the parameters alone.
    "vgg19-caffe": _original(VGG19, "vgg19-d01eb7cb.pth", 4 * 143_667_240),
    "vgg16-caffe": _original(VGG16, "vgg16-00b39a1b.pth", 4 * 138_357_544),
}


def network_named(name: str) -> Network:
    """An entry of the registry.

    Raises:
        NetworkError: there is no network of this name.
    """
    if name not in NETWORKS:
        raise NetworkError(f"no network {name!r}; there are {', '.join(NETWORKS)}")
    return NETWORKS[name]
