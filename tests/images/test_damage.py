"""Damage that decoders pass over: JPEGs that end early, WebPs whose data are zero."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vangram.errors import PictureError
from vangram.images import read_picture
from vangram.images.read_jpeg import check_pixels

KINDS: list[dict[str, Any]] = [
    {"quality": 75},
    {"quality": 95, "subsampling": 0},
    {"quality": 85, "optimize": True},
    {"quality": 60, "progressive": True},
    {"quality": 75, "restart_marker_rows": 1},
]


def picture(mode: str = "RGB") -> Image.Image:
    """160 x 128 px, smooth with some noise, brighter than the grey of what is missing."""
    down, right = np.mgrid[:128, :160]
    noise = np.random.default_rng(0).integers(0, 30, (128, 160))
    levels = (120 + right // 4 + down // 4 + noise).astype(np.uint8)
    return Image.merge("RGB", [Image.fromarray(levels + n) for n in (0, 9, 20)]).convert(mode)


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def cut(data: bytes, share: float) -> bytes:
    """A JPEG with a part of the data behind its first header, closed with an end marker."""
    start = data.index(b"\xff\xda") + 14
    end = start + int(share * (len(data) - 2 - start))
    return data[:end].rstrip(b"\xff") + b"\xff\xd9"


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_that_is_cut_and_closed_is_refused(
    options: dict[str, Any], mode: str, tmp_path: Path
) -> None:
    path, data = tmp_path / "p.jpg", saved(picture(mode), "JPEG", **options)
    path.write_bytes(data)
    assert read_picture(path).notes == ()
    for share in (0.1, 0.5, 0.7):
        path.write_bytes(cut(data, share))
        if "progressive" not in options:
            with pytest.raises(PictureError, match="is damaged"):
                read_picture(path)
            continue
        try:  # where it was cut between scans, or at the end of one, detail alone is missing
            assert len(read_picture(path).notes) == 1
        except PictureError:
            continue


@pytest.mark.parametrize("options", KINDS[:3])
def test_jpeg_that_lacks_its_last_blocks_is_read_with_a_note(
    options: dict[str, Any], tmp_path: Path
) -> None:
    data = saved(picture(), "JPEG", **options)
    (tmp_path / "p.jpg").write_bytes(data[:-48] + b"\xff\xd9")
    (note,) = read_picture(tmp_path / "p.jpg").notes
    assert "its data end early, the lower" in note


def test_progressive_jpeg_without_its_last_scans_is_read_with_a_note(tmp_path: Path) -> None:
    data = saved(picture(), "JPEG", progressive=True, quality=90)
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    assert len(scans) > 5
    # A table for the next scan may come between.
    end = data.rindex(b"\xff\xc4", 0, scans[-1])
    (tmp_path / "p.jpg").write_bytes(data[:end] + b"\xff\xd9")
    (note,) = read_picture(tmp_path / "p.jpg").notes
    assert "its last scans are missing" in note


@pytest.mark.parametrize("size", [(1, 9), (8, 8), (9, 31), (200, 3)])
@pytest.mark.parametrize("options", KINDS)
def test_whole_jpeg_of_any_size_is_found_whole(
    size: tuple[int, int], options: dict[str, Any]
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    for image in (Image.fromarray(noise), Image.new("RGB", size, (128, 128, 128))):
        assert check_pixels(saved(image, "JPEG", **options), "p.jpg") is None


def test_bytes_that_are_no_part_of_a_jpegs_data_do_not_count(tmp_path: Path) -> None:
    data = saved(picture(), "JPEG")
    comment = b"\xff\xfe\0\x0ecut \xff\xd9 \xff\xda ff"
    for changed in (data + b"more", data[:-2] + b"\xff\xff\xff\xd9", data[:2] + comment + data[2:]):
        assert check_pixels(changed, "p.jpg") is None


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_webp_whose_end_is_zero_is_refused(lossless: bool, share: float, tmp_path: Path) -> None:
    path, data = tmp_path / "p.webp", saved(picture(), "WEBP", lossless=lossless, quality=90)
    path.write_bytes(data)
    assert read_picture(path).notes == ()
    start = int(share * len(data))
    path.write_bytes(data[:start] + bytes(len(data) - start))
    with pytest.raises(PictureError, match="is damaged"):
        read_picture(path)


@pytest.mark.parametrize("options", [{}, {"quality": 10}, {"lossless": True}, {"method": 0}])
def test_flat_webp_is_whole(options: dict[str, Any], tmp_path: Path) -> None:
    blocks = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    tiles = Image.fromarray(blocks).resize((1600, 1280), Image.Resampling.NEAREST)
    for image in (Image.new("RGB", (1600, 1280), "white"), tiles):
        image.save(tmp_path / "p.webp", **options)
        assert read_picture(tmp_path / "p.webp").notes == ()


def test_avif_whose_end_is_zero_is_refused_or_has_a_note(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (128, 160, 3), dtype=np.uint8)
    path, data = tmp_path / "p.avif", saved(Image.fromarray(noise), "AVIF", speed=10)
    path.write_bytes(data)
    assert read_picture(path).notes == ()
    half = len(data) // 2
    path.write_bytes(data[:half] + bytes(len(data) - half))
    try:
        (note,) = read_picture(path).notes
    except PictureError as error:
        note = str(error)
    assert "damaged" in note or "bytes in a row are zero" in note
