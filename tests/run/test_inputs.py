"""What a run is given: devices that are there, and can calculate what losses need."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vangram.errors import SettingError
from vangram.run.inputs import device_for


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
    with pytest.raises(SettingError, match=r"'cpu' knows no float64.*try --device cpu"):
        device_for("cpu")
