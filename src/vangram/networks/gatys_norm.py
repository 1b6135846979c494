"""Gatys' normalised network: every channel's mean activation is one.

Gatys, Ecker and Bethge 2016, section 2: the filters are rescaled such that the mean activation of
each, over pictures and positions, is one. ReLU and either pooling take a positive factor through,
so the network remains the same function up to the scales of its channels. No channel then counts
more in a Gram matrix for its scale alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import resources

import torch
from safetensors.torch import load
from torch import Tensor, nn

from vangram.errors import ShapeError
from vangram.networks.registry import network_named
from vangram.networks.vgg import FeatureNetwork, head_name

DEAD = 1e-6
"""Of the mean of a layer's channel means: one that is fainter is left as it is. There is nothing in
it to make larger, and a filter times a million would drown what follows in rounding."""


@torch.no_grad()
def channel_means(network: FeatureNetwork, pictures: Iterable[Tensor]) -> dict[str, Tensor]:
    """Mean activation of every channel, over the positions of all pictures.

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
        network: whose means they are.
        means: what `channel_means` gave, for all its modules at least.

    Raises:
        ShapeError: a module's means are missing, or are not as many as its channels.
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
    """The `channel_means` that ship for a network; None where there are none.

    Measured over a hundred photographs of 256 px (`training.figures`), with max pooling.

    Raises:
        NetworkError: there is no network of this name.
    """
    file = network_named(name).means_file
    if file is None:
        return None
    return load((resources.files("vangram.networks") / file).read_bytes())


def _factors(network: FeatureNetwork, name: str, means: Mapping[str, Tensor]) -> Tensor:
    """What a module's channels are divided by: their means, or one where they are dead."""
    conv = network.get_submodule(name)
    assert isinstance(conv, nn.Conv2d)
    found = means.get(name)
    if found is None or found.shape != (conv.out_channels,):
        shape = "none" if found is None else tuple(found.shape)
        raise ShapeError(f"{name} has {conv.out_channels} channels, and means of shape {shape}")
    found = found.to(conv.weight.device, torch.float64)
    return torch.where(found > DEAD * found.mean(), found, 1.0)


def _rescale(network: FeatureNetwork, name: str, out: Tensor, into: Tensor | None) -> None:
    """Divide a module's outputs by `out`, where its inputs were divided by `into`."""
    conv = network.get_submodule(name)
    assert isinstance(conv, nn.Conv2d)
    assert conv.bias is not None
    weight = conv.weight.double() / out.view(-1, 1, 1, 1)
    if into is not None:
        weight = weight * into.view(1, -1, 1, 1)
    conv.weight.copy_(weight)
    conv.bias.copy_(conv.bias.double() / out)
