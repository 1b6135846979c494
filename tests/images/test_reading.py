"""A picture in any of the formats and modes becomes the same tensor."""

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from vangram.images import Picture, public_exif, read_picture

MAKE = Callable[..., Tensor]


def pillow(pixels: Tensor) -> Image.Image:
    """The Pillow image of a picture of 8-bit levels."""
    levels = (pixels[0] * 255).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).squeeze(-1).numpy())


def check(picture: Picture, height: int, width: int) -> None:
    """What holds for every picture."""
    assert picture.size == (height, width)
    assert picture.pixels.shape == (1, 3, height, width)
    assert picture.pixels.dtype == torch.float32
    assert picture.pixels.is_contiguous()
    assert picture.pixels.min() >= 0
    assert picture.pixels.max() <= 1
    if picture.alpha is not None:
        assert picture.alpha.shape == (1, 1, height, width)
        assert picture.alpha.dtype == torch.float32
        assert picture.alpha.is_contiguous()


@pytest.mark.parametrize("name", ["p.png", "p.tif", "lossless.webp"])
def test_lossless_file_gives_its_levels_over_255(name: str, picture: MAKE, tmp_path: Path) -> None:
    pixels = picture()
    pillow(pixels).save(tmp_path / name, lossless=True)
    read = read_picture(tmp_path / name)
    check(read, 5, 7)
    assert torch.equal(read.pixels, pixels)
    assert read.alpha is None


def test_jpeg_is_read_by_content_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    Image.new("RGB", (7, 5), (200, 100, 50)).save(path, "JPEG")
    read = read_picture(path)
    check(read, 5, 7)
    # One level of 255 for JPEG's own rounding.
    expected = torch.tensor([200, 100, 50]).reshape(1, 3, 1, 1) / 255
    assert torch.allclose(read.pixels, expected.expand(1, 3, 5, 7), atol=1.5 / 255)


def test_file_keeps_its_name_and_checksum(picture: MAKE, tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    pillow(picture()).save(path)
    read = read_picture(str(path))
    assert read.name == str(path)
    assert read.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_pillow_image_reads_as_its_file_does(picture: MAKE, tmp_path: Path) -> None:
    pixels = picture()
    read = read_picture(pillow(pixels))
    assert torch.equal(read.pixels, pixels)
    assert (read.name, read.sha256) == ("<image>", None)


@pytest.mark.parametrize(
    ("mode", "colour"),
    [
        ("1", (255, 255, 255)),
        ("L", (180, 180, 180)),
        ("P", (255, 0, 102)),
        ("RGB", (200, 100, 50)),
        ("RGBX", (200, 100, 50)),
        ("YCbCr", (200, 100, 50)),
        ("CMYK", (200, 100, 50)),
    ],
)
def test_opaque_mode_gives_its_colour(mode: str, colour: tuple[int, int, int]) -> None:
    read = read_picture(Image.new("RGB", (4, 3), colour).convert(mode))
    check(read, 3, 4)
    assert read.alpha is None
    expected = torch.tensor(colour).reshape(1, 3, 1, 1) / 255
    # One level of 255 for YCbCr's rounding.
    assert torch.allclose(read.pixels, expected.expand(1, 3, 3, 4), atol=1.5 / 255)


@pytest.mark.parametrize("mode", ["LA", "RGBA", "La", "RGBa"])
def test_alpha_is_kept_and_colours_are_not_multiplied_by_it(mode: str) -> None:
    image = Image.new("RGBA", (4, 3), (255, 255, 255, 102))
    image.putpixel((0, 0), (0, 0, 0, 255))
    direct = {"La": "LA", "RGBa": "RGBA"}.get(mode, mode)
    read = read_picture(image.convert(direct).convert(mode))
    check(read, 3, 4)
    assert read.alpha is not None
    assert read.alpha[0, 0, 0, 0] == 1
    assert read.alpha[0, 0, 2, 2] == torch.tensor(102 / 255)
    assert read.pixels[0, :, 2, 2].tolist() == [1, 1, 1]
    assert read.pixels[0, :, 0, 0].tolist() == [0, 0, 0]


def test_palette_with_an_alpha_channel_keeps_both() -> None:
    image = Image.new("PA", (4, 3), (1, 102))
    image.putpalette([0, 0, 0, 255, 0, 51])
    read = read_picture(image)
    assert read.alpha is not None
    assert torch.equal(read.alpha, torch.full((1, 1, 3, 4), 0.4))
    assert torch.equal(read.pixels[0, :, 2, 2], torch.tensor([1, 0, 0.2]))


def test_fully_opaque_alpha_is_none() -> None:
    assert read_picture(Image.new("RGBA", (4, 3), (1, 2, 3, 255))).alpha is None
    assert read_picture(Image.new("RGBA", (4, 3), (1, 2, 3, 254))).alpha is not None


def test_palette_transparency_becomes_alpha(tmp_path: Path) -> None:
    image = Image.new("P", (4, 3), 1)
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putpixel((0, 0), 0)
    image.putpixel((1, 0), 2)
    image.save(tmp_path / "p.png", transparency=bytes([0, 255, 51]))
    read = read_picture(tmp_path / "p.png")
    assert read.alpha is not None
    assert read.alpha[0, 0, 0].tolist() == [0, torch.tensor(0.2), 1, 1]
    assert read.pixels[0, :, 0, 1].tolist() == [0, 0, 1]
    assert read.pixels[0, :, 2, 3].tolist() == [0, 1, 0]


@pytest.mark.parametrize(("mode", "hidden"), [("RGB", (9, 8, 7)), ("L", 9)])
def test_transparent_colour_becomes_alpha(mode: str, hidden: int, tmp_path: Path) -> None:
    image = Image.new(mode, (4, 3), 200 if mode == "L" else (200, 200, 200))
    image.putpixel((2, 1), hidden)
    image.save(tmp_path / "p.png", transparency=hidden)
    read = read_picture(tmp_path / "p.png")
    assert read.alpha is not None
    assert (read.alpha == 0).nonzero().tolist() == [[0, 0, 1, 2]]


@pytest.mark.parametrize("suffix", ["webp", "tif", "png"])
def test_first_frame_of_several_is_taken(suffix: str, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 6), (level, 0, 0)) for level in (255, 0)]
    path = tmp_path / f"p.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    read = read_picture(path)
    check(read, 6, 8)
    assert torch.equal(read.pixels[:, 0], torch.ones(1, 6, 8))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("batched", [False, True])
def test_floating_tensor_is_copied_as_float32(dtype: torch.dtype, batched: bool) -> None:
    given = torch.rand(1, 3, 4, 5).to(dtype)
    read = read_picture(given if batched else given[0])
    check(read, 4, 5)
    assert torch.equal(read.pixels, given.to(torch.float32))
    assert (read.name, read.sha256, read.alpha, read.exif) == ("<tensor>", None, None, None)
    given.zero_()
    assert read.pixels.any()


def test_uint8_tensor_is_divided_by_255() -> None:
    levels = torch.arange(3 * 4 * 5, dtype=torch.uint8).reshape(3, 4, 5)
    assert torch.equal(read_picture(levels).pixels[0], levels.to(torch.float32) / 255)


def test_tensor_with_channels_last_comes_out_contiguous() -> None:
    given = torch.rand(1, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    check(read_picture(given), 4, 5)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_exif_orientation_turns_the_pixels(
    orientation: int, suffix: str, picture: MAKE, tmp_path: Path
) -> None:
    # What a viewer shows, and how a camera held that way stores it (EXIF 2.32, tag 274).
    shown = np.array(pillow(picture(16, 24).round()).resize((48, 32), Image.Resampling.NEAREST))
    stored = {
        1: shown,
        2: shown[:, ::-1],
        3: shown[::-1, ::-1],
        4: shown[::-1],
        5: shown.swapaxes(0, 1),
        6: np.rot90(shown, 1),
        7: shown[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(shown, -1),
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    exif[271] = "Maker"
    path = tmp_path / f"p.{suffix}"
    Image.fromarray(np.ascontiguousarray(stored)).save(
        path, exif=exif.tobytes(), lossless=True, quality=100, subsampling=0
    )
    read = read_picture(path)
    check(read, 32, 48)
    # JPEG keeps colours to a few levels; a wrong turn would be off by a hundred on average.
    difference = read.pixels[0].permute(1, 2, 0) - torch.from_numpy(shown.copy()) / 255
    assert float(difference.abs().mean()) < 4 / 255
    assert read.exif is not None
    passed_on = Image.Exif()
    passed_on.load(read.exif)
    assert dict(passed_on) == {274: 1, 271: "Maker"}


def test_alpha_turns_with_the_pixels(tmp_path: Path) -> None:
    image = Image.new("RGBA", (3, 2), (9, 9, 9, 255))
    image.putpixel((0, 0), (255, 0, 0, 0))
    exif = Image.Exif()
    exif[274] = 6  # stored rotated a quarter to the left: its top left corner belongs top right
    image.save(tmp_path / "p.png", exif=exif.tobytes())
    read = read_picture(tmp_path / "p.png")
    assert read.alpha is not None
    assert (read.alpha == 0).nonzero().tolist() == [[0, 0, 0, 1]]
    assert (read.pixels[:, 0] == 1).nonzero().tolist() == [[0, 0, 1]]


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_nonsense_orientation_is_ignored(orientation: int, picture: MAKE, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    pixels = picture()
    pillow(pixels).save(tmp_path / "p.png", exif=exif.tobytes())
    assert torch.equal(read_picture(tmp_path / "p.png").pixels, pixels)


def test_damaged_exif_does_not_cost_the_picture(picture: MAKE, tmp_path: Path) -> None:
    pixels = picture()
    pillow(pixels).save(tmp_path / "p.png", exif=b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x09nonsense")
    read = read_picture(tmp_path / "p.png")
    assert torch.equal(read.pixels, pixels)
    assert read.exif is None


def test_damaged_exif_warns_of_nothing(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[315] = "an artist with a long name"
    path = tmp_path / "p.jpg"
    Image.new("RGB", (8, 6)).save(path, exif=exif.tobytes()[:-10])
    with pytest.warns(UserWarning, match="Truncated"), Image.open(path) as image:
        dict(image.getexif())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert read_picture(path).size == (6, 8)
    assert caught == []


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_exif_passed_on_holds_only_what_still_is_true(suffix: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 3
    exif[315] = "Ann"
    exif[513] = 4  # where a thumbnail would be
    exif[34665] = {36867: "2020:01:01 00:00:00", 40961: 65535, 40962: 99, 37500: b"maker's own"}
    exif[34853] = {1: "N"}
    path = tmp_path / f"p.{suffix}"
    Image.new("RGB", (8, 6)).save(path, exif=exif.tobytes())
    kept = read_picture(path).exif
    assert kept is not None
    passed_on = Image.Exif()
    passed_on.load(kept)
    assert set(passed_on) == {274, 315, 34665, 34853}
    assert passed_on[274] == 1
    assert passed_on[315] == "Ann"
    # The colour space is now sRGB; the old size and the maker's note are gone.
    assert passed_on.get_ifd(34665) == {36867: "2020:01:01 00:00:00", 40961: 1}
    assert passed_on.get_ifd(34853) == {1: "N"}


def test_public_exif_has_no_place_owner_or_serial_number(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[270], exif[271], exif[315] = "Ann at home", "Maker", "Ann"
    exif[34665] = {
        33434: 0.01, 36867: "2020:01:01 00:00:00", 37510: b"comment", 42016: "id",
        42032: "owner", 42033: "body", 42037: "lens", 65000: "vendor's",
    }  # fmt: skip
    exif[34853] = {1: "N", 2: (1.0, 2.0, 3.0)}
    Image.new("RGB", (8, 6)).save(tmp_path / "p.jpg", exif=exif.tobytes())
    kept = read_picture(tmp_path / "p.jpg").exif
    assert kept is not None
    found, public = Image.Exif(), Image.Exif()
    found.load(kept)
    assert found.get_ifd(34853)
    assert found.get_ifd(34665)[42033] == "body"
    shown = public_exif(kept)
    assert shown is not None
    public.load(shown)
    assert set(public) == {271, 274, 315, 34665}
    assert set(public.get_ifd(34665)) == {33434, 36867, 40961}
    only = Image.Exif()
    only[34853] = {1: "N"}
    assert public_exif(only.tobytes()) is None
    assert public_exif(None) is None


def test_exif_too_long_for_a_jpeg_is_dropped(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[270] = "x" * 70_000
    Image.new("RGB", (4, 3)).save(tmp_path / "p.png", exif=exif.tobytes())
    assert read_picture(tmp_path / "p.png").exif is None
