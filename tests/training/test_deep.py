"""The student's deep convolutions, taught alone, and the file that ships."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.support import he_initialised
from training import deep
from training.deep import (
    APART,
    DEEP,
    INPUT,
    TAUGHT,
    Deep,
    Kept,
    at_kept_positions,
    descend,
    drawn,
    first_input,
)
from training.student_file import IN_8_BITS, read_student, write_student
from vangram.networks.registry import VGG19_LITE
from vangram.networks.vgg import FeatureNetwork, head_name

NARROW = replace(VGG19_LITE, widths=(4, 6, 8, 12, 16), wide={"3_1": 10, "4_3": 14, "4_4": 10})
MODULES = {f"conv{name}" for name in DEEP} | {
    head_name(layer) for layer in TAUGHT if layer in NARROW.heads
}


@pytest.fixture
def student() -> FeatureNetwork:
    return he_initialised(NARROW, seed=1).float().freeze()


def test_deep_layers_go_on_where_the_trunk_ends(student: FeatureNetwork) -> None:
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    got, wanted = Deep(student)(first_input(student, images)), student(images, TAUGHT)
    assert got.keys() == wanted.keys() == set(TAUGHT)
    for layer in TAUGHT:
        apart = APART.get(layer, 1)
        assert torch.equal(got[layer], wanted[layer][:, :, ::apart, ::apart])


def test_deep_layers_are_taught_alone(student: FeatureNetwork) -> None:
    assert {name for name, _ in Deep(student).named_children()} == MODULES


def test_descent_brings_the_features_nearer_and_leaves_the_rest(student: FeatureNetwork) -> None:
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(24, 3, 64, 64, generator=generator)
    other = FeatureNetwork(NARROW)
    with torch.no_grad():
        for name, values in student.state_dict().items():
            noise = torch.randn(values.shape, generator=generator)
            other.get_parameter(name).copy_(values * (1 + 0.5 * noise))
        x = first_input(student, images)
        targets = Deep(other)(x)
    kept: Kept = {name: values.half() for name, values in {INPUT: x, **targets}.items()}
    options = argparse.Namespace(batch=8, steps=60, lr=2e-2, decay=0.8)
    taught = descend(student, ([kept], [kept]), options, seed=1)

    def error(network: FeatureNetwork, layer: str) -> float:
        with torch.no_grad():
            difference = Deep(network)(x)[layer] - targets[layer]
        return float(difference.square().sum() / targets[layer].square().sum())

    for layer in TAUGHT:
        assert error(taught, layer) < 0.8 * error(student, layer)
    before = student.state_dict()
    for name, values in taught.state_dict().items():
        assert torch.equal(values, before[name]) != (name.split(".")[0] in MODULES), name


def test_crops_are_drawn_from_all_rounds_with_their_own_targets() -> None:
    first, second = (
        {INPUT: torch.arange(begin, end), "relu3_1": -torch.arange(begin, end)}
        for begin, end in ((0, 30), (30, 40))
    )
    got = drawn([first, second], 400, torch.Generator().manual_seed(5))
    assert torch.equal(got["relu3_1"], -got[INPUT])
    assert len(got[INPUT]) == 400
    assert set(got[INPUT].tolist()) == set(range(40))
    # A quarter of them are of the second round, give or take four standard deviations.
    assert abs(int((got[INPUT] >= 30).sum()) - 100) < 4 * (400 * 0.25 * 0.75) ** 0.5


def test_crops_are_kept_with_the_activations_of_the_student_and_the_teachers_features(
    student: FeatureNetwork,
) -> None:
    class Source:
        def batch(self, count: int) -> Tensor:
            return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(7))

    class Teacher:
        def __call__(self, images: Tensor, layers: list[str]) -> dict[str, Tensor]:
            return {layer: 2 * values for layer, values in student(images, layers).items()}

    kept = deep.collect(student, Teacher(), Source(), 2 * deep.CHUNK)  # type: ignore[arg-type]
    images = Source().batch(deep.CHUNK)
    assert kept.keys() == {INPUT, *TAUGHT}
    assert all(len(values) == 2 * deep.CHUNK for values in kept.values())
    assert torch.equal(kept[INPUT][: deep.CHUNK], first_input(student, images).half())
    for layer, values in student(images, TAUGHT).items():
        # bfloat16, in which the teacher computes, has eight bits; roundings of twenty layers.
        wanted = 2 * at_kept_positions(layer, values)
        assert (kept[layer][: deep.CHUNK] - wanted).norm() < 0.02 * wanted.norm()


def test_file_has_the_largest_filters_in_8_bits_and_is_read_again(
    student: FeatureNetwork, tmp_path: Path
) -> None:
    path = tmp_path / "network.safetensors"
    parameters = student.state_dict()
    write_student(parameters, path)
    found = read_student(path)
    assert found.keys() == parameters.keys()
    for name, values in parameters.items():
        if name in IN_8_BITS:
            step = values.abs().amax((1, 2, 3), keepdim=True) / 127
            assert ((found[name] - values).abs() <= step * (0.5 + 127 * 2**-22)).all()
        else:
            assert torch.equal(found[name], values.half().float())
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
