"""What is given in Python beside paths: arrays, open files, Pillow images."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.support import drawn
from vangram.errors import PictureError, ShapeError, SizeError, VangramError
from vangram.images import read_picture

LEVELS = drawn(9, 12, seed=1).mul(255).round().byte().permute(1, 2, 0).contiguous().numpy()
WANTED = torch.from_numpy(LEVELS).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize(
    "array",
    [
        LEVELS,
        LEVELS / 255,
        (LEVELS / 255).astype(np.float32),
        (LEVELS / 255).astype(">f4"),
        np.asfortranarray(LEVELS),
        LEVELS[::-1, ::-1].copy()[::-1, ::-1],
        np.dstack([LEVELS, np.full((9, 12), 255, np.uint8)]),
    ],
)
def test_array_is_read_as_the_picture_that_it_is(array: Any) -> None:
    found = read_picture(array)
    # Division in float64 and in float32 differ in the last bit.
    assert float((found.pixels - WANTED).abs().max()) <= 2**-24
    assert found.pixels.is_contiguous()
    assert found.alpha is None
    assert found.name == "<array>"


def test_array_is_copied() -> None:
    array = np.zeros((4, 5, 3), np.float32)
    array.flags.writeable = False
    found = read_picture(array)
    found.pixels.fill_(1)
    assert not array.any()


def test_arrays_fourth_channel_is_alpha() -> None:
    alpha = np.linspace(0, 1, 9 * 12, dtype=np.float32).reshape(9, 12)
    found = read_picture(np.dstack([LEVELS / np.float32(255), alpha]))
    assert torch.equal(found.pixels, WANTED)
    assert found.alpha is not None
    assert torch.equal(found.alpha, torch.from_numpy(alpha)[None, None])


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float64])
@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1)])
def test_array_without_colours_is_grey(dtype: type, shape: tuple[int, ...]) -> None:
    array: Any = (np.arange(24).reshape(shape) % 3 > 0).astype(dtype)
    array = array * np.uint8(255) if dtype is np.uint8 else array
    found = read_picture(array).pixels
    assert tuple(found.shape) == (1, 3, 4, 6)
    assert torch.equal(found[0, 2], torch.arange(24).reshape(4, 6).remainder(3).gt(0).float())


@pytest.mark.parametrize(
    ("array", "error", "said"),
    [
        (np.zeros((3, 8, 9)), ShapeError, "move the channels to the end"),
        (np.zeros((8, 9, 2)), ShapeError, "(8, 9, 2)"),
        (np.zeros((1, 8, 9, 3)), ShapeError, "(1, 8, 9, 3)"),
        (np.zeros(8), ShapeError, "(8,)"),
        (np.zeros((1, 8, 3)), SizeError, "at least 2"),
        (np.zeros((8, 0, 3)), SizeError, "at least 2"),
        (LEVELS.astype(np.int64), PictureError, "int64"),
        (LEVELS.astype(np.uint16), PictureError, "uint16"),
        (LEVELS.astype(object), PictureError, "object"),
        (LEVELS.astype(np.float32), PictureError, "values from 30 to 230"),
        (np.full((8, 9, 3), np.nan), PictureError, "not finite"),
    ],
)
def test_array_that_is_no_picture_is_refused(
    array: Any, error: type[VangramError], said: str
) -> None:
    with pytest.raises(error) as refused:
        read_picture(array)
    assert said in str(refused.value)


def png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(LEVELS).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "gif", "bmp"])
def test_open_file_is_read_as_its_path(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"p.{suffix}"
    Image.fromarray(LEVELS).save(path)
    wanted = read_picture(path)
    with open(path, "rb") as file:
        file.read(5)  # and rewound
        found = read_picture(file)
        assert not file.closed
    memory = read_picture(io.BytesIO(path.read_bytes()))
    assert torch.equal(found.pixels, wanted.pixels)
    assert torch.equal(memory.pixels, wanted.pixels)
    assert found.sha256 == memory.sha256 == wanted.sha256
    assert (found.name, memory.name) == (str(path), "<file>")


def test_file_in_an_archive_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("inside.png", png())
        with archive.open("inside.png") as file:
            assert torch.equal(read_picture(file).pixels, WANTED)


def closed() -> io.BytesIO:
    file = io.BytesIO(png())
    file.close()
    return file


class Failing(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        raise RuntimeError("lost")


SOURCES: dict[str, tuple[Callable[[], Any], str]] = {
    "bytes": (png, "io.BytesIO"),
    "bytearray": (lambda: bytearray(png()), "io.BytesIO"),
    "none": (lambda: None, "not NoneType"),
    "number": (lambda: 3, "not int"),
    "list": (lambda: LEVELS.tolist(), "not list"),
    "latin": (lambda: png().decode("latin1"), "null"),
    "base64": (lambda: "data:image/png;base64," + "iVBORw0KGgo" * 400, "4422 characters"),
    "text": (lambda: io.StringIO("a"), "mode 'rb'"),
    "closed": (closed, "closed file"),
    "empty": (io.BytesIO, "mode 'rb'"),
    "failing": (Failing, "lost"),
    "garbage": (lambda: io.BytesIO(b"\x00garbage" * 9), "no JPEG"),
    "damaged": (lambda: io.BytesIO(png()[:80]), "the file"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_source_of_another_kind_is_refused_without_its_bytes(name: str) -> None:
    make, said = SOURCES[name]
    with pytest.raises(PictureError) as refused:
        read_picture(make())
    message = str(refused.value)
    assert said in message
    assert "\n" not in message
    assert len(message) < 250
    assert "IHDR" not in message
    assert "garbage" not in message
