"""Strides, reach and sizes: what a topology says, and what a network with it really sees."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from tests.support import NARROW_VGG19, batched, he_initialised, relative_error
from vangram.errors import LayerError, SizeError
from vangram.networks import FeatureNetwork, Topology
from vangram.networks.registry import VGG19, VGG19_LITE
from vangram.networks.tiles import halo

FIVE = tuple(f"relu{block}_1" for block in range(1, 6))


def monotone(topology: Topology) -> FeatureNetwork:
    """A network that lets every influence through: no negative weight, so no ReLU or maximum hides.

    A large value at one pixel wins every maximum on its way.
    """
    network = he_initialised(topology)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.copy_(module.weight.abs() / module.weight[0].numel())
    return network


def changes(network: FeatureNetwork, layer: str, position: int, column: int) -> bool:
    """Whether a feature in the picture's first row of positions sees a pixel's column."""
    stride = network.topology.stride(layer)
    image = torch.zeros(1, 3, stride, stride * 16, dtype=torch.float64)
    before = network(image, [layer])[layer][0, :, 0, position]
    image[..., column] = 1e6
    return not torch.equal(network(image, [layer])[layer][0, :, 0, position], before)


def test_vgg19_has_sixteen_convolutions_in_order() -> None:
    assert len(VGG19.layers) == 16
    assert VGG19.layers[:5] == ("relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1")
    assert VGG19.layers[-1] == "relu5_4"


@pytest.mark.parametrize(
    ("layer", "width", "stride"),
    [
        ("relu1_1", 64, 1),
        ("relu1_2", 64, 1),
        ("relu2_1", 128, 2),
        ("relu3_4", 256, 4),
        ("relu4_2", 512, 8),
        ("relu5_1", 512, 16),
    ],
)
def test_vgg19_widths_and_strides_equal_the_paper(layer: str, width: int, stride: int) -> None:
    assert VGG19.width(layer) == width
    assert VGG19.stride(layer) == stride


@pytest.mark.parametrize(
    ("layer", "reach"),
    [
        ("relu1_1", 1),
        ("relu1_2", 2),
        ("relu2_1", 2 + 2),
        ("relu3_1", 2 + 4 + 4),
        ("relu4_1", 2 + 4 + 16 + 8),
        ("relu4_2", 2 + 4 + 16 + 16),
        ("relu5_1", 2 + 4 + 16 + 32 + 16),
    ],
)
def test_vgg19_reach_is_the_sum_of_radius_times_stride(layer: str, reach: int) -> None:
    assert VGG19.reach(layer) == reach


def test_vgg19_reach_and_halo_are_those_of_the_design() -> None:
    assert VGG19.reach("relu5_1") == 70
    assert halo(VGG19, ["relu5_1"]) == 80
    assert halo(VGG19, FIVE) == 80


@pytest.mark.parametrize("topology", [VGG19, VGG19_LITE], ids=["vgg19", "lite"])
def test_halo_is_the_smallest_multiple_of_the_stride_that_covers_the_reach(
    topology: Topology,
) -> None:
    for layer in topology.layers:
        margin, stride = halo(topology, [layer]), topology.stride(layer)
        assert margin % stride == 0
        assert margin - stride < topology.reach(layer) <= margin


@pytest.mark.parametrize("layer", ["relu1_2", "relu2_1", "relu3_1", "relu4_2", "relu5_1"])
@pytest.mark.parametrize(
    "topology",
    [
        NARROW_VGG19,
        replace(
            VGG19_LITE,
            widths=(4, 4, 4, 4, 4),
            wide={},
            feature_layers=(),
            heads={},
            padding="zeros",
        ),
    ],
    ids=["vgg19", "lite"],
)
def test_reach_is_exactly_the_receptive_field(topology: Topology, layer: str) -> None:
    network = monotone(topology)
    stride, reach = topology.stride(layer), topology.reach(layer)
    position = 8
    first, last = position * stride, position * stride + stride - 1
    assert changes(network, layer, position, first - reach)
    assert not changes(network, layer, position, first - reach - 1)
    assert changes(network, layer, position, last + reach)
    assert not changes(network, layer, position, last + reach + 1)


@pytest.mark.parametrize("size", [(32, 48), (37, 51), (63, 47)])
def test_features_have_the_topologys_sizes_and_widths(
    lite64: FeatureNetwork, narrow: FeatureNetwork, size: tuple[int, int]
) -> None:
    for network in (lite64, narrow):
        topology = network.topology
        features = network(batched(*size, seed=1), topology.layers)
        assert tuple(features) == topology.layers
        for layer, values in features.items():
            stride = topology.stride(layer)
            expected = (1, topology.width(layer), -(-size[0] // stride), -(-size[1] // stride))
            assert tuple(values.shape) == expected
            assert float(values.min()) >= 0


def test_convolution_may_be_wider_than_its_block() -> None:
    topology = replace(NARROW_VGG19, wide={"4_3": 40, "5_1": 12})
    network = he_initialised(topology, seed=1)
    features = network(batched(32, 48, seed=1), ["relu4_2", "relu4_3", "relu4_4", "relu5_1"])
    channels = [values.shape[1] for values in features.values()]
    assert channels == [32, 40, 32, 12]
    assert channels == [topology.width(layer) for layer in features]
    assert network.module("conv4_4").in_channels == 40
    assert network.module("conv5_2").in_channels == 12


def test_some_layers_alone_have_features_from_a_head_or_from_the_trunk() -> None:
    layers = "relu2_1", "relu4_2"
    topology = replace(NARROW_VGG19, wide={"4_2": 40}, feature_layers=layers, heads={"relu2_1": 20})
    network = he_initialised(topology, seed=1)
    assert topology.layers == layers
    assert topology.up_to(["relu2_1"]).layers == layers[:1]
    image = batched(32, 48, seed=1)
    trunk = {layer: x for layer, x in network.activations(image) if layer in layers}
    features = network(image, layers)
    assert torch.equal(features["relu4_2"], trunk["relu4_2"])
    assert torch.equal(features["relu2_1"], network.head("relu2_1", trunk["relu2_1"]))
    assert [features[layer].shape[1] for layer in layers] == [20, 40]
    assert [topology.width(layer) for layer in layers] == [20, 40]
    with pytest.raises(LayerError, match="no layer 'relu4_1' here; there are relu2_1, relu4_2"):
        network(image, ["relu4_1"])


def test_head_reads_a_wider_convolution() -> None:
    topology = replace(NARROW_VGG19, wide={"5_1": 12}, heads={"relu5_1": 7})
    network = he_initialised(topology, seed=1)
    assert network.module("head5_1").in_channels == 12
    assert network(batched(32, 48, seed=1), ["relu5_1"])["relu5_1"].shape[1] == 7


@pytest.mark.parametrize(
    ("topology", "smallest"), [(NARROW_VGG19, 16), (VGG19_LITE, 32)], ids=["vgg19", "lite"]
)
def test_smallest_size_suffices_and_one_pixel_less_is_refused(
    topology: Topology, smallest: int
) -> None:
    assert topology.smallest_size(FIVE) == smallest
    network = he_initialised(topology)
    assert network(batched(smallest, smallest, seed=1), FIVE)["relu5_1"].numel() > 0
    with pytest.raises(SizeError) as caught:
        network(batched(smallest + 9, smallest - 1, seed=1), FIVE)
    assert str(caught.value) == (
        f"a picture of {smallest - 1} x {smallest + 9} px is too small for relu5_1: "
        f"its shorter side needs {smallest} px"
    )


def test_only_requested_layers_are_returned(lite64: FeatureNetwork) -> None:
    picture = batched(32, 48, seed=1)
    everything = lite64(picture, FIVE)
    some = lite64(picture, ["relu3_1", "relu1_1"])
    assert list(some) == ["relu1_1", "relu3_1"]
    for layer, values in some.items():
        assert torch.equal(values, everything[layer])


def test_no_deeper_layer_than_requested_is_computed(lite64: FeatureNetwork) -> None:
    # Too small for relu5_1 by far, and yet enough for relu2_1.
    assert lite64(batched(4, 4, seed=1), ["relu2_1"])["relu2_1"].shape[-2:] == (2, 2)


@pytest.mark.parametrize("ask", ["width", "stride", "reach", "check"])
def test_unknown_layer_error_lists_the_layers(ask: str) -> None:
    with pytest.raises(LayerError) as caught:
        getattr(VGG19_LITE, ask)("relu4_3")
    assert "'relu4_3'" in str(caught.value)
    assert "relu1_1, relu2_1, relu3_1, relu4_1, relu4_2, relu5_1" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_layer_is_refused(lite64: FeatureNetwork) -> None:
    with pytest.raises(LayerError, match="no layer given"):
        lite64(batched(32, 32, seed=1), [])


def test_reflection_and_zero_padding_differ_at_the_edge_only() -> None:
    zeros = he_initialised(NARROW_VGG19)
    mirrored = he_initialised(replace(NARROW_VGG19, padding="reflect"))
    picture = batched(32, 32, seed=1)
    one: Tensor = zeros(picture, ["relu1_2"])["relu1_2"]
    other: Tensor = mirrored(picture, ["relu1_2"])["relu1_2"]
    inside = slice(2, -2)
    torch.testing.assert_close(one[..., inside, inside], other[..., inside, inside])
    assert not torch.allclose(one[..., 0, :], other[..., 0, :])


def test_topology_cut_after_a_layer_is_unchanged_before_it() -> None:
    for whole, layers in ((NARROW_VGG19, ["relu1_1", "relu3_2"]), (VGG19_LITE, ["relu4_1"])):
        cut = whole.up_to(layers)
        assert cut.layers == whole.layers[: whole.layers.index(layers[-1]) + 1]
        assert cut.convolutions[-1] == layers[-1].removeprefix("relu")
        assert len(cut.widths) == len(cut.depths) == len(cut.average_scale) + 1
        for layer in cut.layers:
            assert cut.width(layer) == whole.width(layer)
            assert cut.reach(layer) == whole.reach(layer)


def test_topology_cut_after_its_last_layer_is_unchanged() -> None:
    assert VGG19.up_to(["relu5_4", "relu1_1"]) == VGG19
    assert VGG19_LITE.up_to(["relu5_1"]) == VGG19_LITE


def test_topology_cut_after_an_unknown_layer_or_none_is_refused() -> None:
    for layers, said in ((["relu1_1", "relu6_1"], "'relu6_1'"), ([], "no layer given")):
        with pytest.raises(LayerError, match=said):
            VGG19.up_to(layers)


def test_cut_network_has_the_same_features(narrow: FeatureNetwork) -> None:
    cut = FeatureNetwork(NARROW_VGG19.up_to(["relu3_2"])).double().freeze()
    parameters = narrow.state_dict()
    cut.load_state_dict({name: parameters[name] for name in cut.state_dict()})
    picture = batched(24, 24, seed=1)
    got, wanted = cut(picture, ["relu3_2"]), narrow(picture, ["relu3_2"])
    assert torch.equal(got["relu3_2"], wanted["relu3_2"])
    assert not hasattr(cut, "conv3_3")


AVERAGE = replace(NARROW_VGG19, pooling="average", average_scale=(1.1, 1.2, 1.3, 1.4))


def test_average_and_max_pooling_differ_after_the_first_pooling_only() -> None:
    maxima = he_initialised(NARROW_VGG19)(batched(32, 32, seed=1), FIVE)
    averages = he_initialised(AVERAGE)(batched(32, 32, seed=1), FIVE)
    assert torch.equal(maxima["relu1_1"], averages["relu1_1"])
    for layer in FIVE[1:]:
        assert relative_error(averages[layer], maxima[layer]) > 0.01


def test_pooling_scale_belongs_to_the_pooling_before_a_block() -> None:
    assert [AVERAGE.pooling_scale(block) for block in (2, 3, 4, 5)] == [1.1, 1.2, 1.3, 1.4]
    assert replace(AVERAGE, average_scale=()).pooling_scale(2) == 1.0
    assert NARROW_VGG19.pooling_scale(2) is None
