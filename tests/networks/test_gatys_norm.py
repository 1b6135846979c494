"""Gatys' normalised network: every mean is one, and the function is the same up to scale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from tests.support import NARROW_VGG19, batched, he_initialised, relative_error, rounding
from vangram.errors import ShapeError
from vangram.networks import (
    FeatureNetwork,
    ForwardPass,
    Topology,
    channel_means,
    load_network,
    normalise_channels,
    shipped_channel_means,
)
from vangram.networks.registry import VGG19_LITE

EXACT = rounding(9 * 16, layers=2 * 17)
"""Sixteen convolutions and a head, with sums over at most 16 channels, computed twice."""
PICTURES = [batched(48, 64, seed=1), batched(37, 51, seed=2)]
TOPOLOGIES = {
    "max": NARROW_VGG19,
    "average": replace(NARROW_VGG19, pooling="average"),
    "heads": replace(VGG19_LITE, widths=(8, 8, 12, 16, 16), wide={}),
}
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "photos"
every_topology = pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=list(TOPOLOGIES))


def normalised(topology: Topology, dead_from: float = 1.0) -> FeatureNetwork:
    network = he_initialised(topology, dead_from=dead_from)
    normalise_channels(network, channel_means(network, PICTURES))
    return network


def rarity(means: Tensor) -> Tensor:
    """Condition of channels that are hardly ever on: the layer's mean activation over theirs.

    Their mean is as inexact as the sums of which the ReLU leaves so little.
    """
    return (means.mean() / means).clamp_min(1)


@every_topology
def test_every_live_channel_of_a_normalised_network_has_mean_one(topology: Topology) -> None:
    before = channel_means(he_initialised(topology), PICTURES)
    after = channel_means(normalised(topology), PICTURES)
    assert len(after) == len(topology.convolutions) + len(topology.heads)
    lived = 0
    for name, means in after.items():
        alive = before[name] > 0
        assert ((means[alive] - 1).abs() < EXACT * rarity(before[name])[alive]).all(), name
        lived += int(alive.sum())
    assert lived > 100


@every_topology
def test_normalised_features_are_features_over_their_means(topology: Topology) -> None:
    network = he_initialised(topology)
    means, picture = channel_means(network, PICTURES), batched(40, 40, seed=5)
    wanted = network(picture, topology.layers)
    normalise_channels(network, means)
    for layer, got in network(picture, topology.layers).items():
        factors = means[layer.replace("relu", "head" if layer in topology.heads else "conv")]
        factors = torch.where(factors > 0, factors, 1.0)
        allowed = EXACT * float(rarity(factors).max())
        assert relative_error(got, wanted[layer] / factors.view(1, -1, 1, 1)) < allowed, layer


def test_dead_channels_are_unchanged_and_finite() -> None:
    before = he_initialised(NARROW_VGG19, dead_from=0.75)
    network = normalised(NARROW_VGG19, dead_from=0.75)
    for values in network.parameters():
        assert torch.isfinite(values).all()
    bias, old = network.get_parameter("conv3_1.bias"), before.get_parameter("conv3_1.bias")
    assert torch.equal(bias[18:], old[18:])
    assert not torch.equal(bias[:18], old[:18])


def test_almost_dead_channel_is_not_amplified() -> None:
    network = he_initialised(NARROW_VGG19)
    means = channel_means(network, PICTURES)
    means["conv1_1"][0] = 1e-30
    normalise_channels(network, means)
    assert network.get_parameter("conv1_1.weight").abs().max() < 1e3


def test_forward_pass_uses_the_normalised_filters() -> None:
    network, image = he_initialised(NARROW_VGG19), PICTURES[0].clone().requires_grad_()
    ForwardPass(network, PICTURES[0], ["relu2_1"]).backward(lambda layer, f: torch.ones_like(f))
    normalise_channels(network, channel_means(network, PICTURES))
    trace, wanted = (
        ForwardPass(network, PICTURES[0], ["relu2_1"]),
        network(image, ["relu2_1"])["relu2_1"],
    )
    assert relative_error(trace.features["relu2_1"], wanted.detach()) < EXACT
    (gradient,) = torch.autograd.grad(wanted.sum(), image)
    got = trace.backward(lambda layer, f: torch.ones_like(f))
    assert relative_error(got, gradient) < EXACT


def test_means_are_over_positions_of_all_pictures(narrow: FeatureNetwork) -> None:
    features = [narrow(picture, ["relu2_1"])["relu2_1"] for picture in PICTURES]
    wanted = torch.cat([f.flatten(2) for f in features], dim=2).mean((0, 2))
    assert relative_error(channel_means(narrow, PICTURES)["conv2_1"], wanted) < EXACT


def test_cut_network_is_normalised_by_means_of_the_whole(narrow: FeatureNetwork) -> None:
    means = channel_means(narrow, PICTURES)
    cut = he_initialised(NARROW_VGG19.up_to(["relu2_1"]))
    normalise_channels(cut, means)
    assert set(channel_means(cut, PICTURES)) == {"conv1_1", "conv1_2", "conv2_1"}


@pytest.mark.parametrize(
    ("change", "said"), [({"conv2_1": None}, "none"), ({"conv2_1": torch.ones(3)}, r"\(3,\)")]
)
def test_means_of_another_shape_are_refused(change: dict[str, Tensor | None], said: str) -> None:
    network = he_initialised(NARROW_VGG19)
    means = {**channel_means(network, PICTURES), **change}
    fitting = {name: values for name, values in means.items() if values is not None}
    with pytest.raises(ShapeError, match=f"conv2_1 has 16 channels, and means of shape {said}"):
        normalise_channels(network, fitting)


def example(path: Path) -> Tensor:
    """A photograph (1, 3, h, w) of 256 px on its longer side."""
    with Image.open(path) as picture:
        rgb = picture.convert("RGB")
    rgb.thumbnail((256, 256))
    pixels = torch.frombuffer(bytearray(rgb.tobytes()), dtype=torch.uint8)
    return pixels.view(1, rgb.height, rgb.width, 3).permute(0, 3, 1, 2) / 255


def test_shipped_means_normalise_photographs() -> None:
    network, means = load_network("vgg19-lite"), shipped_channel_means("vgg19-lite")
    assert means is not None
    normalise_channels(network, means)
    found = channel_means(network, [example(path) for path in sorted(EXAMPLES.iterdir())])
    for layer in network.topology.layers:
        module = "head" if layer in network.topology.heads else "conv"
        mean = found[layer.replace("relu", module)]
        # Three photographs are no hundred: a layer's mean may be off by a half, and a channel that
        # is for something in particular may hardly be there.
        assert 2 / 3 < float(mean.mean()) < 3 / 2, layer
        assert 1 / 2 < float(mean.median()) < 3 / 2, layer


def test_means_without_normalisation_are_not_near_one(lite: FeatureNetwork) -> None:
    pictures = [functional.interpolate(example(p), 64) for p in sorted(EXAMPLES.iterdir())]
    spread = channel_means(lite, pictures)["head1_1"]
    assert not 2 / 3 < float(spread.mean()) < 3 / 2


def test_downloaded_networks_have_no_shipped_means() -> None:
    assert shipped_channel_means("vgg19") is None
