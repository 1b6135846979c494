"""The networks that ship: shape, size on disk, frozen, and words where something is wrong."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from tests.support import drawn
from vangram.errors import NetworkError
from vangram.networks import (
    NETWORKS,
    FeatureNetwork,
    fetch_network,
    load_network,
    parameters_path,
    shipped_channel_means,
)

LARGEST_FILE = 12_000_000
"""Bytes: the package is to stay small enough to install without thinking."""


def parameters() -> bytes:
    return (resources.files("vangram.networks") / "vgg19-lite.safetensors").read_bytes()


@pytest.fixture
def replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file, not there yet, that stands in for the package's own."""
    file = tmp_path / "stand-in.safetensors"
    network = replace(NETWORKS["vgg19-lite"], file=str(file))
    monkeypatch.setitem(NETWORKS, "vgg19-lite", network)
    return file


def test_lite_has_layers_and_widths_of_vgg19(lite: FeatureNetwork) -> None:
    topology = lite.topology
    assert topology.layers == (
        "relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1"
    )  # fmt: skip
    assert [topology.width(layer) for layer in topology.layers] == [64, 128, 256, 512, 512, 512]
    assert [topology.stride(layer) for layer in topology.layers] == [1, 2, 4, 8, 8, 16]


def test_lite_file_is_small() -> None:
    assert len(parameters()) <= LARGEST_FILE


def test_lite_parameters_are_finite_and_not_constant(lite: FeatureNetwork) -> None:
    for name, values in lite.state_dict().items():
        assert torch.isfinite(values).all(), name
        assert values.std() > 0, name


def test_loaded_network_is_frozen_float32_and_channels_last(lite: FeatureNetwork) -> None:
    assert not lite.training
    for values in lite.parameters():
        assert not values.requires_grad
        assert values.dtype == torch.float32
    weight = lite.get_submodule("conv2_1").weight
    assert isinstance(weight, torch.Tensor)
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_gradient_reaches_the_image_and_no_parameter(lite: FeatureNetwork) -> None:
    image = drawn(32, 32, seed=1)[None].requires_grad_()
    lite(image, ["relu3_1"])["relu3_1"].sum().backward()
    assert image.grad is not None
    assert image.grad.any()
    assert all(values.grad is None for values in lite.parameters())


def test_network_subtracts_the_mean() -> None:
    # A picture of the mean colour is zero to the network, so reflection leaves its bias alone.
    network = load_network("vgg19-lite")
    mean = torch.tensor(network.topology.mean).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    bias = network.get_submodule("conv1_1").bias
    assert isinstance(bias, torch.Tensor)
    _, activation = next(network.activations(mean))
    # float32 rounding of the mean.
    torch.testing.assert_close(activation[0, :, 4, 4], bias.clamp(min=0), rtol=0, atol=1e-5)


def test_unknown_network_error_lists_the_networks() -> None:
    for function in (load_network, parameters_path, fetch_network, shipped_channel_means):
        with pytest.raises(NetworkError) as caught:
            function("vgg20")
        assert str(caught.value) == f"no network 'vgg20'; there are {', '.join(NETWORKS)}"


def test_sha256_of_a_network_is_its_files(lite: FeatureNetwork) -> None:
    assert lite.sha256 == hashlib.sha256(parameters()).hexdigest()


def test_size_in_the_registry_is_the_files() -> None:
    assert NETWORKS["vgg19-lite"].size == len(parameters())


def test_fetching_lite_returns_the_packages_file(lite: FeatureNetwork) -> None:
    assert fetch_network("vgg19-lite").read_bytes() == parameters()


def test_missing_file_is_a_network_error(replaced: Path) -> None:
    with pytest.raises(NetworkError) as caught:
        load_network("vgg19-lite")
    assert str(caught.value) == f"'{replaced}' is not there; reinstall vangram"


@pytest.mark.parametrize("name", ["vgg19", "vgg16", "vgg19-caffe", "vgg16-caffe"])
def test_missing_download_error_gives_address_path_and_command(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(NetworkError) as caught:
        load_network(name)
    entry, message = NETWORKS[name], str(caught.value)
    place = tmp_path / "hub" / "checkpoints" / entry.file
    for said in (entry.urls[0], f"'{place}'", f"`vangram networks fetch {name}`"):
        assert said in message
    assert message.endswith("--network vgg19-lite works offline")


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_a_scale_for_each_average_pooling(name: str) -> None:
    topology = NETWORKS[name].topology
    assert len(topology.average_scale) == len(topology.depths) - 1
    # The largest of four is no less than their average, and no more than four times that.
    assert all(1 < scale < 4 for scale in topology.average_scale)


def test_whole_file_is_accepted(replaced: Path) -> None:
    replaced.write_bytes(parameters())
    load_network("vgg19-lite")


def without_a_layer(content: bytes) -> bytes:
    tensors = load(content)
    del tensors["conv3_1.bias"]
    return save(tensors)


def of_another_width(content: bytes) -> bytes:
    tensors = load(content)
    tensors["conv3_1.bias"] = tensors["conv3_1.bias"][:-1].clone()
    return save(tensors)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: b"\xff" * 64 + content[64:],
        lambda content: b"not a network at all",
        without_a_layer,
        of_another_width,
    ],
    ids=["empty", "truncated", "header", "text", "layer missing", "other shape"],
)
def test_damaged_file_is_a_network_error_on_one_line(replaced: Path, damage: object) -> None:
    assert callable(damage)
    replaced.write_bytes(damage(parameters()))
    with pytest.raises(NetworkError) as caught:
        load_network("vgg19-lite")
    assert str(caught.value).startswith(f"'{replaced}' ")
    assert str(caught.value).endswith("; reinstall vangram")
    assert "\n" not in str(caught.value)
