"""Each format that is read, which of its pictures is taken, and what has to be converted."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.images.files import levels
from vangram.errors import PictureError
from vangram.images import read_picture
from vangram.images.formats import RAW_SUFFIXES

MAKE = Callable[..., Tensor]


def as_levels(pixels: Tensor) -> Any:
    return (pixels[0].permute(1, 2, 0) * 255).round().byte().numpy()


def test_bmp_is_exact(tmp_path: Path) -> None:
    stored = levels(9, 7, 3)
    Image.fromarray(stored).save(tmp_path / "p.bmp")
    assert np.array_equal(as_levels(read_picture(tmp_path / "p.bmp").pixels), stored)


@pytest.mark.parametrize("suffix", ["avif", "heic"])
def test_avif_and_heic_are_nearly_exact(suffix: str, tmp_path: Path) -> None:
    if suffix == "heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    smooth = np.linspace(20, 230, 64).astype(np.uint8)[:, None, None].repeat(48, 1).repeat(3, 2)
    image = Image.fromarray(smooth)
    image.putalpha(Image.new("L", image.size, 128))
    image.save(tmp_path / f"p.{suffix}", quality=100)
    found = read_picture(tmp_path / f"p.{suffix}")
    # Chroma is subsampled, and lossy codes round to a level or two.
    assert np.abs(as_levels(found.pixels).astype(int) - smooth).max() <= 3
    assert found.alpha is not None
    assert float((found.alpha - 128 / 255).abs().max()) <= 2 / 255


@pytest.mark.parametrize("suffix", ["avif", "heic"])
def test_colour_space_of_avif_and_heic_is_converted(
    suffix: str, linear_p3_profile: bytes, tmp_path: Path
) -> None:
    if suffix == "heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    path = tmp_path / f"p.{suffix}"
    image = Image.new("RGB", (32, 32), (120, 60, 30))
    image.save(path, quality=100)
    plain = read_picture(path).pixels[0, :, 16, 16]
    # Its box names primaries, transfer and matrix: Display P3 and linear light here.
    data = path.read_bytes()
    found = data.find(b"colrnclx")
    assert found > 0
    path.write_bytes(data[: found + 8] + struct.pack(">2H", 12, 8) + data[found + 12 :])
    converted = read_picture(path).pixels[0, :, 16, 16]
    image.save(path, quality=100, icc_profile=linear_p3_profile)
    wanted = read_picture(path).pixels[0, :, 16, 16]
    assert float((converted - wanted).abs().max()) < 6 / 255  # a lossy level, by the curve's slope
    assert float((converted - plain).abs().max()) > 40 / 255


def test_heic_without_its_package_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    Image.new("RGB", (32, 32)).save(tmp_path / "p.heic")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PictureError, match=r"pip install 'vangram\[heif\]'"):
        read_picture(tmp_path / "p.heic")


@pytest.mark.parametrize("suffix", sorted(RAW_SUFFIXES))
def test_raw_file_is_refused_by_its_name(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"DSC_0001{suffix.upper()}"
    Image.new("RGB", (8, 6)).save(path, "TIFF")
    with pytest.raises(PictureError, match="a camera's raw file"):
        read_picture(path)


def tiff(path: Path, *pages: tuple[int, dict[int, Any]]) -> None:
    """A TIFF of grey pages of one level each, with tags of their own."""
    images = []
    for level, tags in pages:
        image = Image.new("L", (8 + level % 7, 6), level)
        info = Image.Exif()
        for tag, value in tags.items():
            info[tag] = value
        image.encoderinfo = {"exif": info}
        images.append(image)
    images[0].save(path, "TIFF", save_all=True, append_images=images[1:], **images[0].encoderinfo)


SUBFILE, OLD_SUBFILE = 254, 255


@pytest.mark.parametrize(
    ("pages", "level"),
    [
        ([(10, {}), (200, {})], 10),
        ([(10, {SUBFILE: 1}), (200, {SUBFILE: 0})], 200),
        ([(10, {SUBFILE: 1}), (20, {SUBFILE: 1}), (200, {})], 200),
        ([(10, {SUBFILE: 4}), (200, {})], 200),
        ([(10, {SUBFILE: 2}), (200, {SUBFILE: 2})], 10),
        ([(10, {OLD_SUBFILE: 2}), (200, {OLD_SUBFILE: 1})], 200),
        ([(10, {SUBFILE: 1})], 10),
    ],
)
def test_first_whole_page_of_a_tiff_is_read(
    pages: list[tuple[int, dict[int, Any]]], level: int, tmp_path: Path
) -> None:
    tiff(tmp_path / "p.tif", *pages)
    found = read_picture(tmp_path / "p.tif")
    assert torch.equal(found.pixels, torch.full_like(found.pixels, level / 255))
    several = sum(
        not {1, 4} & {tags.get(SUBFILE)} and tags.get(OLD_SUBFILE) != 2 for _, tags in pages
    )
    assert (len(found.notes) == 1) == (several > 1)


def test_whole_page_of_a_deep_tiff_is_read(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    small, whole = levels(4, 5, 3, np.uint16), levels(8, 10, 3, np.uint16, seed=1)
    with tifffile.TiffWriter(tmp_path / "p.tif") as file:
        file.write(small, photometric="rgb", subfiletype=1)
        file.write(whole, photometric="rgb")
    found = read_picture(tmp_path / "p.tif")
    wanted = torch.from_numpy(whole.astype(np.float32) / 65535).permute(2, 0, 1)
    assert torch.equal(found.pixels[0], wanted)


@pytest.mark.parametrize(
    "tags", [{50706: b"\1\4\0\0"}, {SUBFILE: 1, 330: 8}], ids=["DNG", "only a preview"]
)
def test_raw_file_is_refused_by_its_tags(tags: dict[int, Any], tmp_path: Path) -> None:
    tiff(tmp_path / "p.tif", (10, tags))
    with pytest.raises(PictureError, match="a camera's raw file"):
        read_picture(tmp_path / "p.tif")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("extra", [["unspecified", "unassalpha"], ["unassalpha", "unspecified"]])
def test_alpha_is_the_extra_sample_that_says_so(
    dtype: Any, extra: list[str], tmp_path: Path
) -> None:
    tifffile = pytest.importorskip("tifffile")
    stored = levels(9, 7, 5, dtype)
    tifffile.imwrite(tmp_path / "p.tif", stored, photometric="rgb", extrasamples=extra)
    found = read_picture(tmp_path / "p.tif")
    values = torch.from_numpy(stored.astype(np.float32) / np.iinfo(dtype).max).permute(2, 0, 1)
    assert torch.equal(found.pixels[0], values[:3])
    assert found.alpha is not None
    assert torch.equal(found.alpha[0, 0], values[3 + extra.index("unassalpha")])


def test_deep_tiff_with_lzw_is_exact(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    stored = levels(9, 7, 3, np.uint16)
    tifffile.imwrite(tmp_path / "p.tif", stored, photometric="rgb", compression="lzw")
    wanted = torch.from_numpy(stored.astype(np.float32) / 65535).permute(2, 0, 1)
    assert torch.equal(read_picture(tmp_path / "p.tif").pixels[0], wanted)


def test_jpegs_second_picture_does_not_matter(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), (level,) * 3) for level in (200, 0)]
    frames[0].save(tmp_path / "p.jpg", "MPO", save_all=True, append_images=frames[1:])
    data = (tmp_path / "p.jpg").read_bytes()
    found = read_picture(tmp_path / "p.jpg").pixels
    assert float((found - 200 / 255).abs().max()) < 1.5 / 255
    (tmp_path / "p.jpg").write_bytes(data.replace(b"MPF\0", b"MPF\0\xff\xff\xff"[:7], 1))
    assert read_picture(tmp_path / "p.jpg").size == (16, 16)
