"""The network of a run: its device, and its parameters, which are read once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from vangram.errors import SettingError
from vangram.networks import FeatureNetwork, parameters, parameters_path
from vangram.run import Run
from vangram.run.network import CACHE, device_for, network_for
from vangram.settings.recipe import Recipe


def test_fastest_device_is_there() -> None:
    assert device_for("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert device_for("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:99", "meta", "abacus"])
def test_device_that_is_not_there_is_one_line(name: str) -> None:
    with pytest.raises(SettingError, match=f"no device '{name}' here; try --device cpu"):
        device_for(name)


def test_device_without_float64_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Tensor) -> Tensor:
        raise TypeError("the MPS framework doesn't support float64")

    monkeypatch.setattr(Tensor, "double", refuse)
    with pytest.raises(SettingError, match=r"device 'cpu' has no float64.*try --device cpu"):
        device_for("cpu")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files of parameters that are opened, from a process that has none in memory."""
    CACHE.clear()
    files: list[Path] = []

    def counted(path: Path, **more: Any) -> Any:
        files.append(path)
        return safe_open(path, **more)

    monkeypatch.setattr(parameters, "safe_open", counted)
    return files


def cached(**settings: Any) -> FeatureNetwork:
    return network_for(Recipe(**settings), None, torch.device("cpu"))


def test_runs_read_the_parameters_once(opened: list[Path], photo: Path, painting: Path) -> None:
    for settings in ({}, {"size": 80}, {"pooling": "average"}, {"style_layers": {"relu1_1": 1.0}}):
        Run.prepare(photo, painting, **settings)
    assert len(opened) == 1
    Run.prepare(photo, painting, parameters=opened[0])  # a copy, for all that is known
    assert len(opened) == 2


def test_network_of_deeper_layers_is_read_anew(opened: list[Path]) -> None:
    shallow = cached(style_layers={"relu1_1": 1.0}, content_weight=0.0)
    assert shallow.topology.convolutions == ("1_1",)
    deep = cached()
    assert len(opened) == 2
    again = cached(style_layers={"relu1_1": 1.0}, content_weight=0.0)
    assert len(opened) == 2
    assert [name for name, _ in again.named_parameters()] == [
        name for name, _ in shallow.named_parameters()
    ]
    assert (
        again.get_parameter("conv1_1.weight").data_ptr()
        == deep.get_parameter("conv1_1.weight").data_ptr()
    )


def test_file_that_has_changed_is_read_anew(
    opened: list[Path], photo: Path, painting: Path, tmp_path: Path
) -> None:
    file = tmp_path / "lite.safetensors"
    file.write_bytes(parameters_path("vgg19-lite").read_bytes())
    first = Run.prepare(photo, painting, parameters=file)
    changed = load_file(file)
    save_file(changed | {"conv1_1.bias": changed["conv1_1.bias"] * 2}, file)
    second = Run.prepare(photo, painting, parameters=file)
    assert len(opened) == 2
    assert first.record.network_sha256 != second.record.network_sha256
    was, now = (run.network.get_parameter("conv1_1.bias") for run in (first, second))
    assert torch.equal(now, 2 * was)


def test_settings_of_one_run_do_not_change_anothers_network(photo: Path, painting: Path) -> None:
    plain = Run.prepare(photo, painting)
    before = plain.network.get_parameter("conv3_1.weight").clone()
    others = [
        Run.prepare(photo, painting, **settings)
        for settings in ({"pooling": "average"}, {"normalise": True}, {"precision": "tf32"},
                         {"normalise": True, "pooling": "average"}, {"memory": 10**9})
    ]  # fmt: skip
    assert [run.network.topology.pooling for run in others] == [
        "average", "max", "max", "average", "max",
    ]  # fmt: skip
    assert [run.network.tf32 for run in others] == [False, False, True, False, False]
    for run in others:
        changed = not torch.equal(run.network.get_parameter("conv3_1.weight"), before)
        assert changed == run.recipe.normalise
        run.network.double()
    assert plain.network.topology.pooling == "max"
    assert torch.equal(plain.network.get_parameter("conv3_1.weight"), before)
