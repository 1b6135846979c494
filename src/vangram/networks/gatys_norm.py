"""Gatys' normalised network: every channel's mean activation is one.

Gatys, Ecker and Bethge 2016, section 2: the filters are rescaled such that the mean activation of
each, over images and positions, is one. ReLU and either pooling commute with positive factors, so
the network computes the same function up to the scales of its channels. No channel then dominates
a Gram matrix by its scale alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from importlib import resources

import torch
from safetensors.torch import load
from torch import Tensor

from vangram.errors import NetworkError, ShapeError
from vangram.networks.registry import network_named
from vangram.networks.vgg import FeatureNetwork, head_name

DEAD = 1e-6
"""A channel with less than this share of its layer's average mean is left as it is: a filter times
a million would only amplify rounding errors in the next layers."""


@torch.no_grad()
def channel_means(network: FeatureNetwork, pictures: Iterable[Tensor]) -> dict[str, Tensor]:
    """Mean activation of every channel, over the positions of all images.

    Args:
        network: before it is normalised.
        pictures: (B, 3, H, W) each, RGB in [0, 1], of any sizes.

    Returns:
        Module name "conv1_1", ... and "head1_1", ... -> (C,) float64, on the CPU.
    """
    sums: dict[str, Tensor] = {}
    positions: dict[str, int] = {}
    for picture in pictures:
        for layer, activation in network.activations(picture):
            found = {layer.replace("relu", "conv"): activation}
            if layer in network.topology.heads:
                found[head_name(layer)] = network.head(layer, activation)
            for name, x in found.items():
                sums[name] = sums.get(name, 0) + x.sum((0, 2, 3), dtype=torch.float64).cpu()
                positions[name] = positions.get(name, 0) + x[:, 0].numel()
    return {name: total / positions[name] for name, total in sums.items()}


@torch.no_grad()
def normalise_channels(network: FeatureNetwork, means: Mapping[str, Tensor]) -> None:
    """Rescale a network's filters in place so that each channel's mean activation is one.

    Args:
        network: the network of the means.
        means: result of `channel_means`, for all its modules at least.

    Raises:
        ShapeError: a module's means are missing or do not match its channels.
    """
    network.drop_prepared()
    before: Tensor | None = None
    for name in network.topology.convolutions:
        factors = _factors(network, f"conv{name}", means)
        _rescale(network, f"conv{name}", factors, before)
        before = factors
        if (layer := f"relu{name}") in network.topology.heads:
            head = head_name(layer)
            _rescale(network, head, _factors(network, head, means), before)


def shipped_channel_means(name: str) -> dict[str, Tensor] | None:
    """The `channel_means` that ship with the package for a network; None without any.

    Measured over a hundred photographs of 256 px (`training.figures`), with max pooling.

    Raises:
        NetworkError: there is no network of this name, or the file is damaged.
    """
    network = network_named(name)
    if network.means_file is None:
        return None
    content = (resources.files("vangram.networks") / network.means_file).read_bytes()
    if hashlib.sha256(content).hexdigest() != network.means_sha256:
        raise NetworkError(f"{network.means_file} of the package is damaged; reinstall vangram")
    return load(content)


def _factors(network: FeatureNetwork, name: str, means: Mapping[str, Tensor]) -> Tensor:
    """Divisors of a module's channels: their means, or one for dead channels."""
    conv = network.module(name)
    found = means.get(name)
    if found is None or found.shape != (conv.out_channels,):
        shape = "none" if found is None else tuple(found.shape)
        raise ShapeError(f"{name} has {conv.out_channels} channels, and means of shape {shape}")
    found = found.to(conv.weight.device, torch.float64)
    return torch.where(found > DEAD * found.mean(), found, 1.0)


def _rescale(network: FeatureNetwork, name: str, out: Tensor, into: Tensor | None) -> None:
    """Divide a module's output channels by `out`, whose input channels were divided by `into`."""
    conv = network.module(name)
    assert conv.bias is not None
    weight = conv.weight.double() / out.view(-1, 1, 1, 1)
    if into is not None:
        weight = weight * into.view(1, -1, 1, 1)
    conv.weight.copy_(weight)
    conv.bias.copy_(conv.bias.double() / out)
