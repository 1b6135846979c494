"""Parameter files: both kinds, both names, as deep as is needed; words where something is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.support import NARROW_VGG19, he_initialised
from vangram.errors import InputError, LayerError, NetworkError, SettingError
from vangram.networks import NETWORKS, FeatureNetwork, load_network
from vangram.networks.parameters import quantised, scale_name
from vangram.networks.registry import VGG19_ORIGINAL_BIAS

Tensors = dict[str, Tensor]
LAYERS = ["relu1_1", "relu3_2"]
INDEX = {
    "conv1_1": 0, "conv1_2": 2, "conv2_1": 5, "conv2_2": 7, "conv3_1": 10, "conv3_2": 12,
    "conv3_3": 14, "conv3_4": 16, "conv4_1": 19, "conv4_2": 21, "conv4_3": 23, "conv4_4": 25,
    "conv5_1": 28, "conv5_2": 30, "conv5_3": 32, "conv5_4": 34,
}  # fmt: skip
"""VGG-19's convolutions in torchvision's `features`."""


@pytest.fixture(autouse=True)
def narrow_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the two VGG-19 of the registry narrow."""
    for name in ("vgg19", "vgg19-caffe"):
        narrowed = replace(NETWORKS[name].topology, widths=NARROW_VGG19.widths)
        monkeypatch.setitem(NETWORKS, name, replace(NETWORKS[name], topology=narrowed))


@pytest.fixture
def whole() -> Tensors:
    """All parameters, by our names."""
    return {
        name: values.float().contiguous()
        for name, values in he_initialised(NARROW_VGG19, seed=3).state_dict().items()
    }


def torchvisions(tensors: Tensors) -> Tensors:
    """The same by torchvision's names, and a part of a classifier."""
    named = {}
    for name, values in tensors.items():
        module, kind = name.split(".")
        named[f"features.{INDEX[module]}.{kind}"] = values
    return {**named, "classifier.0.weight": torch.zeros(3, 3)}


def up_to(tensors: Tensors, deepest: str) -> Tensors:
    return {name: values for name, values in tensors.items() if name.split(".")[0] <= deepest}


def save_pth(tensors: Any, path: Path) -> None:
    torch.save(tensors, path)


def save_old_pth(tensors: Any, path: Path) -> None:
    torch.save(tensors, path, _use_new_zipfile_serialization=False)


SAVE = {"safetensors": save_file, "pth": save_pth, "old pth": save_old_pth}


def assert_same(network: FeatureNetwork, tensors: Tensors) -> None:
    for name, values in network.state_dict().items():
        assert torch.equal(values, tensors[name]), name


@pytest.mark.parametrize("save", SAVE.values(), ids=list(SAVE))
@pytest.mark.parametrize("naming", [dict, torchvisions], ids=["ours", "torchvision's"])
def test_every_kind_of_file_gives_the_same_network(
    save: Callable[[Tensors, Path], None],
    naming: Callable[[Tensors], Tensors],
    whole: Tensors,
    tmp_path: Path,
) -> None:
    save(naming(whole), tmp_path / "file")
    network = load_network("vgg19", parameters=tmp_path / "file")
    assert len(network.state_dict()) == 32
    assert_same(network, whole)


def test_half_precision_is_read_as_float32(whole: Tensors, tmp_path: Path) -> None:
    save_file({name: values.half() for name, values in whole.items()}, tmp_path / "file")
    network = load_network("vgg19", parameters=tmp_path / "file")
    assert_same(network, {name: values.half().float() for name, values in whole.items()})


def in_8_bits(tensors: Tensors) -> Tensors:
    """The filters of two convolutions in 8 bits, one of them with a channel of zeros."""
    stored = dict(tensors)
    stored["conv2_1.weight"] = tensors["conv2_1.weight"].index_fill(0, torch.tensor([3]), 0)
    for name in ("conv2_1.weight", "conv5_1.weight"):
        stored[name], stored[scale_name(name)] = quantised(stored[name])
    return stored


def test_filters_in_8_bits_are_within_half_a_step(whole: Tensors, tmp_path: Path) -> None:
    save_file(in_8_bits(whole), tmp_path / "file")
    network = load_network("vgg19", parameters=tmp_path / "file")
    for name, values in network.state_dict().items():
        if name in ("conv2_1.weight", "conv5_1.weight"):
            step = values.abs().amax((1, 2, 3), keepdim=True) / 127
            wanted = whole[name]
            if name == "conv2_1.weight":
                wanted = wanted.index_fill(0, torch.tensor([3]), 0)
            # Half a step, and what rounding a float32 product of 127 steps adds.
            assert ((values - wanted).abs() <= step * (0.5 + 127 * 2**-22)).all()
            assert not torch.equal(values, wanted)
        else:
            assert torch.equal(values, whole[name]), name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("naming", [dict, torchvisions], ids=["ours", "torchvision's"])
def test_original_vgg19_is_recognised_under_any_name(
    naming: Callable[[Tensors], Tensors], dtype: torch.dtype, whole: Tensors, tmp_path: Path
) -> None:
    whole["conv1_1.bias"][: len(VGG19_ORIGINAL_BIAS)] = torch.tensor(VGG19_ORIGINAL_BIAS)
    save_pth({n: v.to(dtype) for n, v in naming(whole).items()}, tmp_path / "original")
    networks = [
        load_network(name, parameters=tmp_path / "original") for name in ("vgg19", "vgg19-caffe")
    ]
    image = torch.rand(1, 3, 32, 32)
    ours, original = (network(image, LAYERS) for network in networks)
    for layer in LAYERS:
        assert torch.equal(ours[layer], original[layer])
    # Others are taken as torchvision's, whose input has another scale.
    whole["conv1_1.bias"][0] += 0.01
    save_pth(naming(whole), tmp_path / "another")
    another = load_network("vgg19", parameters=tmp_path / "another")
    assert not torch.equal(another.mean, networks[0].mean)


def test_first_filters_of_a_caffe_file_are_reordered_to_rgb(whole: Tensors, tmp_path: Path) -> None:
    save_pth(torchvisions(whole), tmp_path / "file")
    turned = load_network("vgg19-caffe", layers=LAYERS, parameters=tmp_path / "file")
    assert_same(turned, {**whole, "conv1_1.weight": whole["conv1_1.weight"].flip(1)})


def test_first_filters_by_our_names_are_not_reordered(whole: Tensors, tmp_path: Path) -> None:
    save_file(whole, tmp_path / "file")
    assert_same(load_network("vgg19-caffe", parameters=tmp_path / "file"), whole)


def test_only_requested_layers_are_loaded(whole: Tensors, tmp_path: Path) -> None:
    save_file(whole, tmp_path / "file")
    network = load_network("vgg19", layers=LAYERS, parameters=tmp_path / "file")
    assert_same(network, whole)
    assert list(network.state_dict())[-1] == "conv3_2.bias"
    assert network.topology == NETWORKS["vgg19"].topology.up_to(LAYERS)


@pytest.mark.parametrize("naming", [dict, torchvisions], ids=["ours", "torchvision's"])
def test_partial_file_serves_its_layers(
    naming: Callable[[Tensors], Tensors], whole: Tensors, tmp_path: Path
) -> None:
    save_file(naming(up_to(whole, "conv3_2")), tmp_path / "file")
    assert_same(load_network("vgg19", layers=LAYERS, parameters=tmp_path / "file"), whole)
    with pytest.raises(LayerError) as caught:
        load_network("vgg19", layers=["relu4_2"], parameters=tmp_path / "file")
    assert str(caught.value) == (
        f"'{tmp_path / 'file'}' has layers up to relu3_2, and relu4_2 needs conv3_3;"
        " ask for shallower layers, or give a whole file"
    )


def test_requested_pooling_is_the_networks(whole: Tensors, tmp_path: Path) -> None:
    save_file(whole, tmp_path / "file")
    network = load_network("vgg19", parameters=tmp_path / "file", pooling="average")
    assert network.topology.pooling_scale(2) == NETWORKS["vgg19"].topology.average_scale[0]
    with pytest.raises(SettingError, match="no pooling 'median'; there are max, average"):
        load_network("vgg19", pooling="median")


class Runs:
    """What makes a directory when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("save", [save_pth, save_old_pth], ids=["pth", "old pth"])
def test_file_with_code_is_refused_and_not_executed(
    save: Callable[[Any, Path], None], whole: Tensors, tmp_path: Path
) -> None:
    save({**whole, "evil": Runs(tmp_path / "ran")}, tmp_path / "file")
    with pytest.raises(NetworkError, match="contains code, which vangram does not run"):
        load_network("vgg19", parameters=tmp_path / "file")
    assert not (tmp_path / "ran").exists()
    # The companion: such a file does, where it may.
    torch.load(tmp_path / "file", weights_only=False)
    assert (tmp_path / "ran").exists()


def written(content: bytes) -> Callable[[Tensors, Path], None]:
    def write(tensors: Tensors, path: Path) -> None:
        path.write_bytes(content)

    return write


def halved(tensors: Tensors, path: Path) -> None:
    torch.save(tensors, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def halved_safetensors(tensors: Tensors, path: Path) -> None:
    save_file(tensors, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def changed(name: str, change: Callable[[Tensor], Tensor]) -> Callable[[Tensors, Path], None]:
    return lambda tensors, path: save_file({**tensors, name: change(tensors[name])}, path)


def gapped(tensors: Tensors, path: Path) -> None:
    save_file({name: v for name, v in tensors.items() if not name.startswith("conv2_1.b")}, path)


def scaleless(tensors: Tensors) -> Tensors:
    return {n: v for n, v in in_8_bits(tensors).items() if n != "conv2_1.scale"}


def short_of_scales(tensors: Tensors) -> Tensors:
    stored = in_8_bits(tensors)
    return {**stored, "conv2_1.scale": stored["conv2_1.scale"][:-1].clone()}


@pytest.mark.parametrize(
    ("save", "said"),
    [
        (lambda tensors, path: None, "is not there"),
        (lambda tensors, path: path.mkdir(), "cannot be read"),
        (written(b""), "is empty"),
        (written(b"not parameters at all"), "is no file of parameters"),
        (written(b"PK\x03\x04" + bytes(100)), "is damaged"),
        (written(b"\x80\x02" + bytes(range(100))), "is damaged"),
        (halved, "is damaged"),
        (halved_safetensors, "is damaged"),
        (lambda tensors, path: torch.save([1, 2], path), "holds a list"),
        (lambda tensors, path: torch.save({"epoch": 3}, path), "has none of the network's"),
        (lambda tensors, path: torch.save({**tensors, "conv2_2.bias": 3}, path), "no tensor of"),
        (changed("conv2_2.bias", lambda b: b.int()), "conv2_2.bias that is no tensor of floating"),
        (changed("conv2_2.weight", lambda w: w * torch.nan), "conv2_2.weight is not finite"),
        (
            changed("conv2_2.weight", lambda w: w[:-1].clone()),
            "is of another network: its conv2_2.weight is 15 x 16 x 3 x 3",
        ),
        (gapped, "lacks conv2_1"),
        (lambda tensors, path: save_file(scaleless(tensors), path), "lacks conv2_1.scale"),
        (lambda tensors, path: save_file(short_of_scales(tensors), path), "lacks conv2_1.scale"),
    ],
)
def test_unusable_file_error_is_one_line_with_its_name(
    save: Callable[[Tensors, Path], None], said: str, whole: Tensors, tmp_path: Path
) -> None:
    path = tmp_path / "a\nfile.pth"
    save(whole, path)
    with pytest.raises(InputError) as caught:
        load_network("vgg19", parameters=path)
    message = str(caught.value)
    assert said in message
    assert repr(str(path)) in message
    assert message.endswith("; give a file of vgg19's parameters")
    assert "\n" not in message


SHORT_OF_MEMORY = """
import resource, sys
import torch
from vangram.networks import load_network

kib = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmSize"))
limit = int(kib) * 1024 + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    load_network("vgg19-lite", parameters=sys.argv[1])
except MemoryError:
    sys.exit(42)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the size of the process from /proc")
@pytest.mark.parametrize("save", [save_pth, save_file], ids=["pth", "safetensors"])
@pytest.mark.parametrize("room", [2_000_000, 20_000_000])
def test_low_memory_is_not_called_damage(
    room: int, save: Callable[[Any, Path], None], tmp_path: Path
) -> None:
    """Room for nothing, and for the network but not for the file."""
    network = load_network("vgg19-lite")
    shipped = {name: values.contiguous() for name, values in network.state_dict().items()}
    save({**shipped, "unused": torch.zeros(16_000_000)}, tmp_path / "file")
    command = [sys.executable, "-c", SHORT_OF_MEMORY, str(tmp_path / "file"), str(room)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 42, done.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_pipe_given_as_parameters_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NetworkError, match=r"cannot be read \(it is no regular file\)"):
        load_network("vgg19", parameters=tmp_path / "pipe")
