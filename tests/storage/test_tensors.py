"""Storage: tensors in files are tensors, and their pages go when they are let go of."""

from __future__ import annotations

import errno
import gc
import os
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from tests.support import banded, batched
from vangram.engines import TiledEngine
from vangram.errors import OutputError
from vangram.networks import FeatureNetwork
from vangram.objective import Objective
from vangram.optimize import LBFGS, Adam
from vangram.settings.recipe import Recipe
from vangram.storage.tensors import BAND, IN_MEMORY, SpilledStorage, evict, row_bands


def test_bands_cover_every_row_once() -> None:
    tall = torch.empty(1, 3, 1000, 700)
    bands = list(row_bands(tall))
    assert [row for band in bands for row in range(band.start, band.stop)] == list(range(1000))
    assert all((band.stop - band.start) * 3 * 700 <= BAND for band in bands)


def test_spilled_tensor_keeps_its_values_when_released(tmp_path: Path) -> None:
    storage = SpilledStorage(tmp_path)
    tensor = storage.empty((1, 3, 50, 40), torch.zeros(1))
    assert not tensor.any()
    wanted = batched(50, 40, seed=1).float()
    tensor.copy_(wanted)
    evict()
    assert torch.equal(tensor, wanted)


def test_files_are_deleted_with_their_tensors(tmp_path: Path) -> None:
    storage = SpilledStorage(tmp_path)
    gc.collect()
    others = len(storage.maps)
    tensor = storage.empty((10, 10), torch.zeros(1))
    assert not list(tmp_path.iterdir())  # they have no name from the beginning
    assert len(storage.maps) == others + 1
    del tensor
    gc.collect()
    assert len(storage.maps) == others


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system reserves no space")
def test_full_disk_error_is_one_line_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutputError, match=r"No space left.*--memory") as caught:
        SpilledStorage(tmp_path).empty((10, 10), torch.zeros(1))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("taken", "returned"), [(700, 0), (900, 1)])
def test_freed_memory_is_returned_where_memory_is_short(
    taken: int, returned: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[None] = []
    monkeypatch.setattr("vangram.storage.tensors.return_freed_memory", lambda: calls.append(None))
    monkeypatch.setattr(
        psutil.Process, "memory_info", lambda _: SimpleNamespace(rss=taken), raising=True
    )
    gc.collect()
    unlimited = SpilledStorage(tmp_path).empty((4, 5), torch.zeros(1))
    list(row_bands(unlimited))
    assert not calls
    limited = SpilledStorage(tmp_path, memory=1000).empty((4, 5), torch.zeros(1))
    list(row_bands(limited))
    assert len(calls) == returned


@banded(1500)
@pytest.mark.parametrize("optimizer", [Adam, LBFGS])
def test_spilled_run_is_bit_identical(
    optimizer: type[Adam] | type[LBFGS],
    lite: FeatureNetwork,
    tmp_path: Path,
) -> None:
    content, style = batched(70, 90, seed=1).float(), batched(60, 50, seed=2).float()
    images = []
    for storage in (IN_MEMORY, SpilledStorage(tmp_path)):
        recipe = Recipe().replace(tv_weight=0.3)
        objective = Objective.of(recipe, lite, content, style, tile=48, storage=storage)
        engine, downhill, image = (
            TiledEngine(lite, objective, 48),
            optimizer(storage=storage),
            content,
        )
        for _ in range(4):
            image = downhill.move(image, engine).image
        images.append(image.clone())
    assert torch.equal(*images)
    assert not torch.equal(images[0], content)
