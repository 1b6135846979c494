"""A result in Python: as an array, a Pillow image, a picture in a notebook, and a file."""

from __future__ import annotations

import io
import typing
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import vangram
from tests.support import drawn
from vangram.cli import progress
from vangram.errors import OutputError
from vangram.images import read_picture
from vangram.run.result import LARGEST_SHOWN
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import TEXTURE
from vangram.settings.record import Input, Record

RECORD = Record(
    recipe=vangram.Recipe(**TEXTURE),
    inputs=Inputs(styles=(Input("p.png", "aa"),)),
    network_sha256="bb",
    versions={},
)


def result(height: int = 20, width: int = 30, *, alpha: bool = False) -> vangram.Painting:
    pixels = drawn(height, width, seed=1)[None]
    shown = pixels[:, :1].round() if alpha else None
    return vangram.Painting(pixels=pixels, alpha=shown, exif=None, record=RECORD)


@pytest.mark.parametrize("alpha", [False, True])
def test_array_and_image_of_a_result_are_what_its_file_holds(tmp_path: Path, alpha: bool) -> None:
    made = result(alpha=alpha)
    with Image.open(made.save(tmp_path / "out.png")) as image:
        saved = np.array(image)
    assert saved.shape == (20, 30, 4 if alpha else 3)
    assert np.array_equal(np.asarray(made), saved)
    assert np.array_equal(np.asarray(made.to_pil()), saved)
    assert np.asarray(made, np.float32).dtype == np.float32
    again = read_picture(made)
    assert torch.equal(again.pixels, made.pixels)
    assert (again.alpha is None) == (made.alpha is None)


def test_array_of_a_result_is_a_copy() -> None:
    made = result()
    np.asarray(made)[:] = 0
    assert float(made.pixels.max()) > 0
    with pytest.raises(ValueError, match="copied"):
        np.array(made, copy=False)


@pytest.mark.parametrize(("size", "shown"), [((20, 30), (30, 20)), ((4, 3000), (LARGEST_SHOWN, 2))])
def test_notebook_shows_a_picture_no_larger_than_it_needs(
    size: tuple[int, int], shown: tuple[int, int]
) -> None:
    data = result(*size)._repr_png_()
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "PNG"
        assert abs(image.width - shown[0]) + abs(image.height - shown[1]) <= 1
        assert "XML:com.adobe.xmp" not in image.info  # a notebook that is shared tells no paths


def test_results_text_is_its_size() -> None:
    assert repr(result()) == "<Painting of 30 x 20 px>"


def test_results_are_equal_where_all_is() -> None:
    one = result(alpha=True)
    assert one == result(alpha=True)
    others: list[object] = [
        result(),
        result(21, 30, alpha=True),
        replace(one, exif=b"x"),
        replace(one, record=replace(RECORD, finished=False)),
        replace(one, pixels=one.pixels.flip(2)),
        replace(one, alpha=1 - one.pixels[:, :1].round()),
        3,
    ]
    for other in others:
        assert one != other
        assert other != one


def test_result_replaces_no_file_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists already; overwrite=True replaces it"):
        result().save(path)
    assert path.read_bytes() == b"precious"
    assert result().save(path, overwrite=True) == path
    assert torch.equal(read_picture(path).pixels, result().pixels)


def test_result_is_saved_to_a_path_alone() -> None:
    with pytest.raises(OutputError, match="saved to a path, not BytesIO"):
        result().save(io.BytesIO())  # type: ignore[arg-type]


def public_dataclasses() -> set[type]:
    """Dataclasses among the public names, and those that their fields hold."""
    found: set[type] = set()
    left: list[Any] = [getattr(vangram, name) for name in vangram.__all__]
    while left:
        each = left.pop()
        left += typing.get_args(each)
        if isinstance(each, type) and is_dataclass(each) and each not in found:
            found.add(each)
            left += typing.get_type_hints(each).values()
    return found


def test_values_that_hold_tensors_are_compared_without_an_error() -> None:
    holding = {
        kind
        for kind in public_dataclasses()
        if any("Tensor" in str(each.type) for each in fields(kind))
    }
    assert {vangram.Painting, vangram.Step} < holding
    for kind in holding:  # a generated comparison asks whether a tensor is true
        assert not kind.__dataclass_params__.eq, kind  # type: ignore[attr-defined]


def test_steps_and_runs_are_compared_without_an_error(photo: Path, painting: Path) -> None:
    small: dict[str, Any] = {"size": 48, "steps": 2, "levels": 1}
    one, two = (vangram.Run.prepare(photo, painting, **small) for _ in range(2))
    first, second = list(one)
    assert (first == second, first == first) == (False, True)
    assert (first.state == second.state, one == two, one == one) == (False, False, True)
    checkpoints = [vangram.Checkpoint(one.record, step.state) for step in (first, second)]
    assert checkpoints[0] != checkpoints[1]


def test_progress_is_shown_on_request_alone(
    photo: Path, painting: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small: dict[str, Any] = {"size": 48, "steps": 1, "levels": 1}
    vangram.stylize(photo, painting, **small)
    vangram.texture(painting, **small)
    assert capsys.readouterr() == ("", "")
    vangram.stylize(photo, painting, progress=True, **small)
    said = capsys.readouterr()
    assert not said.out
    assert "step 1/1" in said.err


@pytest.mark.parametrize("widgets", [False, True])
def test_notebook_without_widgets_gets_lines(
    monkeypatch: pytest.MonkeyPatch, widgets: bool
) -> None:
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr(progress, "WIDGETS", widgets)
    assert (progress.Progress().live is not None) == widgets
