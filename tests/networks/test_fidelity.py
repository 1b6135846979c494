"""How much of VGG-19 is in `vgg19-lite`, and VGG-19's own first layers to the letter.

Needs VGG-19's parameters and photographs, which are not part of the project.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from tests.support import batched, he_initialised, relative_error
from training.pictures import centre, held_out_photographs
from training.teacher import SCALE, VGG19, Teacher
from vangram.errors import LayerError
from vangram.kernels import pool
from vangram.networks import NETWORKS, FeatureNetwork, load_network
from vangram.networks.registry import VGG19_LITE

SHARED = Path(__file__).resolve().parents[3] / "shared"
PHOTOS = SHARED / "photos"
FILE = SHARED / "teacher" / "vgg19-conv1_1-conv5_4.safetensors"
HEAD_FILE = SHARED / "teacher" / "vgg19-conv1_1-conv3_4.safetensors"

PICTURES, SIDE = 5, 256

LEAST_R2 = {
    "relu1_1": 0.99, "relu2_1": 0.98, "relu3_1": 0.96, "relu4_1": 0.95, "relu4_2": 0.95,
    "relu5_1": 0.91,
}  # fmt: skip
"""Of the variance about each channel's mean, on whole photographs never trained on."""

needs_teacher = pytest.mark.skipif(
    not FILE.exists(), reason="VGG-19's parameters are not beside the repository"
)
needs_head = pytest.mark.skipif(
    not HEAD_FILE.exists(), reason="VGG-19's first layers are not beside the repository"
)
needs_photos = pytest.mark.skipif(
    not PHOTOS.is_dir(), reason="the photographs are not beside the repository"
)


@cache
def pairs() -> list[tuple[Tensor, dict[str, Tensor]]]:
    """Held-out photographs, and VGG-19's features of them, padded by reflection."""
    teacher = Teacher(FILE)
    paths = held_out_photographs(PHOTOS)
    pictures = [centre(path, SIDE) for path in paths[:: len(paths) // PICTURES][:PICTURES]]
    return [(picture, teacher(picture, tuple(LEAST_R2))) for picture in pictures]


def r2(network: FeatureNetwork, level: str) -> float:
    """One minus error over variance, whole pictures."""
    got = torch.cat([network(picture, [level])[level] for picture, _ in pairs()]).double()
    wanted = torch.cat([targets[level] for _, targets in pairs()]).double()
    about_mean = wanted - wanted.mean((0, 2, 3), keepdim=True)
    return 1 - float((got - wanted).square().sum() / about_mean.square().sum())


@needs_teacher
@needs_photos
@pytest.mark.parametrize("level", LEAST_R2)
def test_lite_features_approximate_vgg19(lite: FeatureNetwork, level: str) -> None:
    assert r2(lite, level) > LEAST_R2[level]


@needs_teacher
@needs_photos
@pytest.mark.parametrize("level", LEAST_R2)
def test_random_parameters_do_not_approximate_vgg19(level: str) -> None:
    assert r2(he_initialised(VGG19_LITE).float(), level) < LEAST_R2[level]


def independent(parameters: dict[str, Tensor], image: Tensor) -> dict[str, Tensor]:
    """VGG-19 as its authors ran it: 255 RGB minus the mean colour, zeros around."""
    x = 255 * image - torch.tensor([123.68, 116.779, 103.939]).double().view(1, 3, 1, 1)
    features = {}
    for block, depth in ((1, 2), (2, 2), (3, 4), (4, 4), (5, 4)):
        if block > 1:
            x = functional.max_pool2d(x, kernel_size=2, stride=2)
        for index in range(1, depth + 1):
            name = f"conv{block}_{index}"
            weight, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
            x = functional.conv2d(x, weight.double(), bias.double(), stride=1, padding=1).relu()
            features[f"relu{block}_{index}"] = x
    return features


@needs_teacher
def test_original_vgg19_equals_an_independent_computation_at_all_sixteen_layers() -> None:
    parameters = load_file(FILE)
    network = load_network("vgg19-caffe", parameters=FILE)
    picture = batched(32, 48, seed=1)
    got = network.double()(picture, VGG19.layers)
    wanted = independent(parameters, picture)
    assert got.keys() == wanted.keys()
    assert len(got) == 16
    for layer, features in got.items():
        # The mean colour is kept in float32, with an error of 1e-8 of the range.
        assert relative_error(features, wanted[layer]) < 1e-6, layer
    # The companion: turned pictures are not what it was trained on.
    turned = independent(parameters, picture.flip(1))
    assert relative_error(got["relu5_1"], turned["relu5_1"]) > 1e-2


@needs_head
def test_layers_after_a_partial_file_are_refused() -> None:
    with pytest.raises(LayerError) as caught:
        load_network("vgg19-caffe", layers=["relu1_1", "relu4_2"], parameters=HEAD_FILE)
    assert str(caught.value) == (
        f"'{HEAD_FILE}' has layers up to relu3_4, and relu4_2 needs conv4_1;"
        " ask for shallower layers, or give a whole file"
    )


@needs_teacher
@needs_photos
def test_scaled_average_pooling_keeps_the_mean_of_max_pooling_in_vgg19() -> None:
    network = load_network("vgg19-caffe", layers=["relu4_4"], parameters=FILE)
    averaging = load_network("vgg19-caffe", layers=["relu4_4"], parameters=FILE, pooling="average")
    scales = replace(NETWORKS["vgg19-caffe"].topology, pooling="average")
    # Layer -> the block that reads it pooled.
    before = {"relu1_2": 2, "relu2_2": 3, "relu3_4": 4, "relu4_4": 5}
    sums = torch.zeros(len(before), 2)
    for path in held_out_photographs(PHOTOS)[::5]:
        averaged, largest = (net(centre(path, SIDE), list(before)) for net in (averaging, network))
        for index, (layer, block) in enumerate(before.items()):
            sums[index, 0] += pool(averaged[layer], scales.pooling_scale(block)).mean()
            sums[index, 1] += pool(largest[layer], None).mean()
    # Five pictures of a hundred others.
    torch.testing.assert_close(sums[:, 0], sums[:, 1], rtol=0.1, atol=0)


@needs_teacher
@pytest.mark.parametrize("level", LEAST_R2)
def test_teacher_features_are_vgg19s_over_the_scale(level: str) -> None:
    picture = batched(32, 48, seed=1)
    teacher = Teacher(FILE, padding="zeros")
    wanted = independent(load_file(FILE), picture)[level] / SCALE
    # float32 through up to thirteen convolutions.
    assert relative_error(teacher(picture.float(), [level])[level], wanted) < 1e-5


@needs_teacher
def test_teacher_pads_by_reflection() -> None:
    picture = batched(48, 48, seed=1).float()
    reflected, literal = (Teacher(FILE, padding)(picture) for padding in ("reflect", "zeros"))
    at_edge, inside = (..., slice(1)), (..., slice(1, -1), slice(1, -1))
    got, published = reflected["relu1_1"], literal["relu1_1"]
    torch.testing.assert_close(got[inside], published[inside])
    assert relative_error(got[at_edge], published[at_edge]) > 0.1
