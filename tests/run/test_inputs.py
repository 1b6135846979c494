"""What a run is given: devices that are there, and can calculate what losses need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from vangram.errors import SettingError, SizeError
from vangram.run import Run
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


def test_pictures_are_read_within_the_memory_given(tmp_path: Path, painting: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 500, 3), dtype=np.uint8)
    large = Image.fromarray(noise).resize((6000, 4800), Image.Resampling.NEAREST)
    for name in ("p.png", "p.jpg"):
        large.save(tmp_path / name)
    settings: dict[str, Any] = {"memory": 900_000_000, "size": 64, "steps": 1}
    with pytest.raises(SizeError, match="6000 x 4800 px, more than the limit of 28125000 px"):
        Run.prepare(tmp_path / "p.png", painting, **settings)
    run = Run.prepare(tmp_path / "p.jpg", painting, **settings)
    assert "it is read at 3000 x 2400 px" in run.notes[0]
    assert run.levels[-1].size == (51, 64)
