"""Colours arrive in sRGB, whatever profile a file carries."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image, ImageCms
from torch import Tensor

from vangram.images import read_picture, write_picture

# Linear sRGB -> XYZ and linear Display P3 -> XYZ, both for D65 (IEC 61966-2-1; SMPTE EG 432-1).
SRGB_TO_XYZ = np.array(
    [
        [0.4123908, 0.3575843, 0.1804808],
        [0.2126390, 0.7151687, 0.0721923],
        [0.0193308, 0.1191948, 0.9505322],
    ]
)
P3_TO_XYZ = np.array(
    [
        [0.4865709, 0.2656677, 0.1982173],
        [0.2289746, 0.6917385, 0.0792869],
        [0.0000000, 0.0451134, 1.0439444],
    ]
)


def encoded(linear: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The transfer function of sRGB (IEC 61966-2-1)."""
    linear = linear.clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_wide_gamut_profile_is_converted(
    suffix: str, linear_p3_profile: bytes, tmp_path: Path
) -> None:
    colour = (120, 60, 30)
    path = tmp_path / f"p.{suffix}"
    Image.new("RGB", (8, 8), colour).save(
        path, icc_profile=linear_p3_profile, lossless=True, quality=100
    )
    read = read_picture(path)
    expected = encoded(np.linalg.inv(SRGB_TO_XYZ) @ P3_TO_XYZ @ (np.array(colour) / 255))
    # Profiles round to 16 bits and the file to 8, which the curve's slope doubles.
    assert np.abs(read.pixels[0, :, 4, 4].numpy() - expected).max() < 3 / 255
    assert np.abs(np.array(colour) / 255 - expected).max() > 50 / 255


def test_pillow_image_is_converted_too(linear_p3_profile: bytes) -> None:
    image = Image.new("RGB", (4, 3), (120, 60, 30))
    image.info["icc_profile"] = linear_p3_profile
    assert float(read_picture(image).pixels[0, 0, 0, 0]) > 170 / 255


def test_alpha_survives_a_conversion(linear_p3_profile: bytes, tmp_path: Path) -> None:
    image = Image.new("RGBA", (4, 3), (120, 120, 120, 51))
    image.save(tmp_path / "p.png", icc_profile=linear_p3_profile)
    read = read_picture(tmp_path / "p.png")
    assert read.alpha is not None
    assert torch.equal(read.alpha, torch.full((1, 1, 3, 4), 51 / 255))
    expected = float(encoded(np.array(120 / 255)))
    assert torch.allclose(read.pixels, torch.full((1, 3, 3, 4), expected), atol=1.5 / 255)


def test_palette_is_converted_by_its_colours(linear_p3_profile: bytes, tmp_path: Path) -> None:
    image = Image.new("P", (4, 3), 1)
    image.putpalette([0, 0, 0, 120, 120, 120])
    image.save(tmp_path / "p.png", icc_profile=linear_p3_profile)
    read = read_picture(tmp_path / "p.png")
    expected = float(encoded(np.array(120 / 255)))
    assert torch.allclose(read.pixels, torch.full((1, 3, 3, 4), expected), atol=1.5 / 255)


@pytest.mark.parametrize("mode", ["L", "LA"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_grey_profile_is_converted(
    mode: str, suffix: str, linear_grey_profile: bytes, tmp_path: Path
) -> None:
    path = tmp_path / f"p.{suffix}"
    Image.new(mode, (4, 3), 128 if mode == "L" else (128, 77)).save(
        path, icc_profile=linear_grey_profile
    )
    expected = float(encoded(np.array(128 / 255)))  # 188 of 255
    pixels = read_picture(path).pixels
    assert torch.allclose(pixels, torch.full((1, 3, 3, 4), expected), atol=1.5 / 255)


def test_grey_with_an_rgb_profile_is_converted(linear_p3_profile: bytes, tmp_path: Path) -> None:
    Image.new("L", (4, 3), 128).save(tmp_path / "p.png", icc_profile=linear_p3_profile)
    expected = float(encoded(np.array(128 / 255)))
    pixels = read_picture(tmp_path / "p.png").pixels
    assert torch.allclose(pixels, torch.full((1, 3, 3, 4), expected), atol=1.5 / 255)


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_follows_its_profile(suffix: str, four_greys_profile: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"p.{suffix}"
    Image.new("CMYK", (8, 8), (255, 0, 0, 0)).save(
        path, icc_profile=four_greys_profile, quality=100
    )
    # Lightness 75 is 185 of 255 in sRGB. Without its profile this would be cyan.
    pixels = read_picture(path).pixels
    assert torch.allclose(pixels, torch.full((1, 3, 8, 8), 185 / 255), atol=2.5 / 255)


def test_cmyk_without_a_profile_is_the_plain_complement(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (255, 0, 0, 0)).save(tmp_path / "p.tif")
    assert read_picture(tmp_path / "p.tif").pixels[0, :, 0, 0].tolist() == [0, 1, 1]


def test_other_srgb_profile_changes_not_one_level(
    other_srgb_profile: bytes, picture: Callable[..., Tensor], tmp_path: Path
) -> None:
    pixels = picture(64, 64)
    levels = (pixels[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    Image.fromarray(levels).save(tmp_path / "p.png", icc_profile=other_srgb_profile)
    assert torch.equal(read_picture(tmp_path / "p.png").pixels, pixels)


@pytest.mark.parametrize("broken", [b"nonsense", bytes(200), b"\0" * 36 + b"acsp" + b"\xff" * 200])
def test_broken_profile_counts_as_srgb(broken: bytes, tmp_path: Path) -> None:
    Image.new("RGB", (4, 3), (120, 60, 30)).save(tmp_path / "p.png", icc_profile=broken)
    pixels = read_picture(tmp_path / "p.png").pixels
    assert (pixels[0, :, 0, 0] * 255).round().tolist() == [120, 60, 30]


def test_profile_of_other_channels_counts_as_srgb(
    linear_grey_profile: bytes, four_greys_profile: bytes, tmp_path: Path
) -> None:
    for profile in (linear_grey_profile, four_greys_profile):
        Image.new("RGB", (4, 3), (120, 60, 30)).save(tmp_path / "p.png", icc_profile=profile)
        pixels = read_picture(tmp_path / "p.png").pixels
        assert (pixels[0, :, 0, 0] * 255).round().tolist() == [120, 60, 30]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_written_file_carries_an_srgb_profile_without_a_date(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"p.{suffix}"
    write_picture(path, torch.rand(1, 3, 4, 5))
    with Image.open(path) as image:
        icc = image.info["icc_profile"]
    assert "sRGB" in ImageCms.getProfileDescription(io.BytesIO(icc))
    assert icc[24:36] == bytes(12)
