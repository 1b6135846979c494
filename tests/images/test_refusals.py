"""What cannot be read is refused on one line that names it and says what to do."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile
from torch import Tensor

from vangram.errors import PictureError, ShapeError, SizeError, VangramError
from vangram.images import read_picture, read_recipe
from vangram.storage.files import quoted


def refused(source: object, error: type[VangramError], *words: str, largest: int = 10**6) -> None:
    """Reading is refused with this error, on one line, in these words and with advice."""
    with pytest.raises(error) as caught:
        read_picture(source, largest=largest)  # type: ignore[arg-type]
    text = str(caught.value)
    assert type(caught.value) is error
    assert "\n" not in text
    assert text.strip() == text
    if isinstance(source, str | Path):
        assert quoted(source) in text
    for word in words:
        assert word in text


def test_missing_file_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "none.png", PictureError, "does not exist")


def test_newline_in_a_name_stays_on_one_line(tmp_path: Path) -> None:
    refused(str(tmp_path / "two\nlines.png"), PictureError, "does not exist")


def test_impossible_name_is_refused() -> None:
    refused("a\0b.png", PictureError, "cannot be opened")
    refused("x" * 5000 + ".png", PictureError, "cannot be opened")


def test_folder_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, PictureError, "is a folder")


def test_path_through_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    refused(tmp_path / "file" / "p.png", PictureError, "check the path")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    refused(tmp_path / "pipe.png", PictureError, "no regular file")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
)
def test_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    Image.new("RGB", (4, 3)).save(path)
    path.chmod(0)
    refused(path, PictureError, "may not be read", "permissions")


def test_permission_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.png"
    path.write_bytes(b"x")

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", denied)
    refused(path, PictureError, "may not be read", "permissions")


def test_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(b"")
    refused(tmp_path / "p.png", PictureError, "is an empty file", "copy")


def test_text_named_as_a_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.jpg").write_text("not a picture\n" * 20)
    refused(
        tmp_path / "p.jpg",
        PictureError,
        "no JPEG, PNG, WebP, TIFF, AVIF, HEIC, GIF or BMP",
        "convert",
    )


@pytest.mark.parametrize("format", ["PPM", "ICO", "TGA", "JPEG2000", "PCX"])
def test_format_that_is_not_allowed_is_refused(format: str, tmp_path: Path) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "p.png", format)
    refused(tmp_path / "p.png", PictureError, "no JPEG, PNG, WebP, TIFF, AVIF, HEIC, GIF or BMP")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.95])
def test_truncated_file_is_refused(suffix: str, part: float, tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    path = tmp_path / f"p.{suffix}"
    Image.fromarray(levels).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: max(int(part * len(data)), 16)])
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    refused(path, PictureError, "damaged", "save it again")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_flipped_bytes_give_a_picture_or_one_of_our_errors(suffix: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    path = tmp_path / f"p.{suffix}"
    Image.fromarray(generator.integers(0, 256, (12, 9, 3), dtype=np.uint8)).save(path)
    data = path.read_bytes()
    for _ in range(60):
        damaged = bytearray(data)
        for place in generator.integers(0, min(len(data), 400), 3):
            damaged[place] = generator.integers(256)
        path.write_bytes(damaged)
        for read in (lambda: read_picture(path, largest=10**6), lambda: read_recipe(path)):
            said = ""
            try:
                read()
            except (PictureError, SizeError) as error:
                said = str(error)
            assert "\n" not in said


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1)])
def test_side_of_one_pixel_is_refused(size: tuple[int, int], tmp_path: Path) -> None:
    Image.new("RGB", size).save(tmp_path / "p.png")
    refused(tmp_path / "p.png", SizeError, f"{size[0]} x {size[1]}", "at least 2")


def test_empty_image_and_tensor_are_refused() -> None:
    refused(Image.new("RGB", (0, 5)), SizeError, "at least 2")
    refused(torch.zeros(3, 0, 5), SizeError, "at least 2")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_picture_over_the_limit_is_refused_before_decoding(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"p.{suffix}"
    Image.new("RGB", (50, 40)).save(path)
    assert read_picture(path, largest=2000).size == (40, 50)

    def decoded(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decoded)
    refused(path, SizeError, "50 x 40", "limit of 1999", largest=1999)
    # A sixteenth of it trips Pillow's own check where a format has one.
    refused(path, SizeError, "limit of 125", largest=125)


def test_tensor_over_the_limit_is_refused() -> None:
    refused(torch.zeros(3, 40, 50), SizeError, "50 x 40", "limit of 1999", largest=1999)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_pillow_limit_neither_warns_nor_stays_changed(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"p.{suffix}"
    Image.new("RGB", (50, 40)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 77)  # so that 2000 pixels are a bomb to Pillow
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert read_picture(path).size == (40, 50)
        assert read_recipe(path) is None
    assert caught == []
    assert Image.MAX_IMAGE_PIXELS == 77
    refused(path, SizeError, largest=1999)
    assert Image.MAX_IMAGE_PIXELS == 77


@pytest.mark.parametrize("mode", ["I", "F", "LAB", "HSV"])
def test_mode_without_a_faithful_reading_is_refused(mode: str) -> None:
    refused(Image.new(mode, (4, 3)), PictureError, mode, "convert it to 8-bit RGB")


def test_closed_image_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (4, 3)).save(tmp_path / "p.png")
    with Image.open(tmp_path / "p.png") as image:
        pass
    refused(image, PictureError, "the image")


@pytest.mark.parametrize("shape", [(4, 5), (1, 4, 5), (4, 4, 5), (2, 3, 4, 5), (4, 5, 3), (3,)])
def test_tensor_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    refused(torch.zeros(shape), ShapeError, str(shape))


@pytest.mark.parametrize(
    ("tensor", "word"),
    [
        (torch.full((3, 4, 5), 1.01), "1.01"),
        (torch.full((3, 4, 5), -0.5), "-0.5"),
        (torch.full((3, 4, 5), float("nan")), "not finite"),
        (torch.full((3, 4, 5), float("inf")), "not finite"),
        (torch.zeros(3, 4, 5, dtype=torch.int64), "int64"),
        (torch.zeros(3, 4, 5, dtype=torch.bool), "bool"),
    ],
)
def test_tensor_of_other_values_is_refused(tensor: Tensor, word: str) -> None:
    refused(tensor, PictureError, word, "[0, 1]")


def test_one_value_that_is_not_finite_is_enough() -> None:
    pixels = torch.zeros(3, 4, 5)
    pixels[1, 2, 3] = float("nan")
    refused(pixels, PictureError, "not finite")
