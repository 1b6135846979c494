"""More than 8 bits a channel: exactly, or not at all."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vangram.errors import PictureError, SizeError
from vangram.images import read_picture

LEVELS = np.random.default_rng(0).integers(0, 65536, (5, 7, 4), dtype=np.uint16)
LEVELS[0, 0] = 0
LEVELS[0, 1] = 65535


@pytest.fixture
def tifffile() -> Any:
    """The optional library."""
    return pytest.importorskip("tifffile")


def exactly(levels: Any) -> torch.Tensor:
    """(H, W) or (H, W, 3) levels of 16 bits -> the pixels to expect."""
    values = torch.from_numpy(np.asarray(levels).astype(np.float32) / 65535)
    planes = values.expand(3, -1, -1) if values.ndim == 2 else values.permute(2, 0, 1)
    return planes[None]


def test_grey_png_of_16_bits_is_exact(tmp_path: Path) -> None:
    Image.fromarray(LEVELS[..., 0]).save(tmp_path / "p.png")
    read = read_picture(tmp_path / "p.png")
    assert torch.equal(read.pixels, exactly(LEVELS[..., 0]))
    assert read.alpha is None
    assert read.pixels.is_contiguous()


def test_grey_image_of_16_bits_is_exact() -> None:
    assert torch.equal(
        read_picture(Image.fromarray(LEVELS[..., 0])).pixels, exactly(LEVELS[..., 0])
    )


def test_transparent_level_of_16_bits_becomes_alpha(tmp_path: Path) -> None:
    grey = LEVELS[..., 0].copy()
    grey[grey == 1234] = 0
    grey[2, 3] = 1234
    grey[2, 4] = 1235  # the same in 8 bits
    Image.fromarray(grey).save(tmp_path / "p.png", transparency=1234)
    alpha = read_picture(tmp_path / "p.png").alpha
    assert alpha is not None
    assert (alpha == 0).nonzero().tolist() == [[0, 0, 2, 3]]


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
def test_grey_tiff_of_16_bits_is_exact(compression: str | None, tmp_path: Path) -> None:
    Image.fromarray(LEVELS[..., 0]).save(tmp_path / "p.tif", compression=compression)
    assert torch.equal(read_picture(tmp_path / "p.tif").pixels, exactly(LEVELS[..., 0]))


@pytest.mark.parametrize("options", [{"byteorder": ">"}, {"bigtiff": True}, {"tile": (16, 16)}])
def test_grey_tiff_of_any_layout_is_exact(
    options: dict[str, Any], tifffile: Any, tmp_path: Path
) -> None:
    grey = np.ascontiguousarray(LEVELS[..., 0])
    tifffile.imwrite(tmp_path / "p.tif", grey, photometric="minisblack", **options)
    assert torch.equal(read_picture(tmp_path / "p.tif").pixels, exactly(grey))


def test_grey_tiff_whose_zero_is_white_is_inverted(tifffile: Any, tmp_path: Path) -> None:
    grey = np.ascontiguousarray(LEVELS[..., 0])
    tifffile.imwrite(tmp_path / "p.tif", grey, photometric="miniswhite")
    assert torch.equal(read_picture(tmp_path / "p.tif").pixels, exactly(65535 - grey))


@pytest.mark.parametrize(
    "options",
    [{}, {"byteorder": ">"}, {"compression": "zlib"}, {"bigtiff": True}, {"tile": (16, 16)}],
)
def test_rgb_tiff_of_16_bits_is_exact(
    options: dict[str, Any], tifffile: Any, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "p.tif", LEVELS[..., :3], photometric="rgb", **options)
    read = read_picture(tmp_path / "p.tif")
    assert torch.equal(read.pixels, exactly(LEVELS[..., :3]))
    assert read.alpha is None
    assert read.sha256 is not None
    assert read.pixels.is_contiguous()


def test_rgb_tiff_of_separate_planes_is_exact(tifffile: Any, tmp_path: Path) -> None:
    planes = np.ascontiguousarray(np.moveaxis(LEVELS[..., :3], -1, 0))
    tifffile.imwrite(tmp_path / "p.tif", planes, photometric="rgb", planarconfig="separate")
    assert torch.equal(read_picture(tmp_path / "p.tif").pixels, exactly(LEVELS[..., :3]))


def test_alpha_of_16_bits_is_exact(tifffile: Any, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "p.tif", LEVELS, photometric="rgb", extrasamples=["unassalpha"])
    read = read_picture(tmp_path / "p.tif")
    assert read.alpha is not None
    assert torch.equal(read.alpha, exactly(LEVELS[..., 3])[:, :1])
    assert torch.equal(read.pixels, exactly(LEVELS[..., :3]))


def test_alpha_multiplied_into_the_colours_is_divided_out(tifffile: Any, tmp_path: Path) -> None:
    alpha = np.array([[65535, 32768], [100, 0]], dtype=np.uint16)
    stored = np.stack([alpha // 2, alpha, alpha * 0, alpha], axis=-1)
    tifffile.imwrite(tmp_path / "p.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    pixels = read_picture(tmp_path / "p.tif").pixels[0]
    assert pixels[:, 1, 1].tolist() == [0, 0, 0]  # nothing is known where nothing shows
    shown = pixels.reshape(3, 4)[:, :3].T
    assert torch.allclose(shown, torch.tensor([0.5, 1, 0]).expand(3, 3), atol=1e-4)


def test_grey_and_alpha_of_16_bits_are_exact(tifffile: Any, tmp_path: Path) -> None:
    stored = np.ascontiguousarray(LEVELS[..., 2:])
    tifffile.imwrite(
        tmp_path / "p.tif",
        stored,
        photometric="minisblack",
        planarconfig="contig",
        extrasamples=["unassalpha"],
    )
    read = read_picture(tmp_path / "p.tif")
    assert read.alpha is not None
    assert torch.equal(read.alpha, exactly(stored[..., 1])[:, :1])
    assert torch.equal(read.pixels, exactly(stored[..., 0]))


def test_grey_and_alpha_whose_zero_is_white_are_inverted(tifffile: Any, tmp_path: Path) -> None:
    stored = np.ascontiguousarray(LEVELS[..., 2:])
    tifffile.imwrite(
        tmp_path / "p.tif",
        stored,
        photometric="miniswhite",
        planarconfig="contig",
        extrasamples=["unassalpha"],
    )
    read = read_picture(tmp_path / "p.tif")
    # One rounding of float32 in the difference.
    assert torch.allclose(read.pixels, exactly(65535 - stored[..., 0]), atol=1e-7)
    assert read.alpha is not None
    assert torch.equal(read.alpha, exactly(stored[..., 1])[:, :1])


def test_orientation_of_a_deep_tiff_turns_the_pixels(tifffile: Any, tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "p.tif",
        LEVELS[..., :3],
        photometric="rgb",
        extratags=[(274, "H", 1, 6, True), (315, "s", 4, "Ann", True)],
    )
    read = read_picture(tmp_path / "p.tif")
    assert torch.equal(read.pixels, exactly(np.rot90(LEVELS[..., :3], -1).copy()))
    exif = Image.Exif()
    assert read.exif is not None
    exif.load(read.exif)
    assert exif[274] == 1
    assert exif[315] == "Ann"


def test_deep_tiff_over_the_limit_is_refused(tifffile: Any, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "p.tif", LEVELS[..., :3], photometric="rgb")
    with pytest.raises(SizeError, match="7 x 5"):
        read_picture(tmp_path / "p.tif", largest=34)


def test_deep_tiff_without_the_library_says_what_to_install(
    tifffile: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(tmp_path / "p.tif", LEVELS[..., :3], photometric="rgb")
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(
        PictureError, match=r"^'.*p\.tif' has 16 bits .* pip install 'vangram\[tiff\]' .*$"
    ):
        read_picture(tmp_path / "p.tif")


def test_deep_tiff_that_is_truncated_is_refused(tifffile: Any, tmp_path: Path) -> None:
    path = tmp_path / "p.tif"
    tifffile.imwrite(path, LEVELS[..., :3], photometric="rgb", compression="zlib")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    assert "\n" not in str(caught.value)
    assert repr(str(path)) in str(caught.value)


def test_deep_tiff_in_srgb_is_read_and_in_another_space_refused(
    tifffile: Any, other_srgb_profile: bytes, linear_p3_profile: bytes, tmp_path: Path
) -> None:
    path, levels = tmp_path / "p.tif", LEVELS[..., :3]
    tifffile.imwrite(path, levels, photometric="rgb", iccprofile=other_srgb_profile)
    assert torch.equal(read_picture(path).pixels, exactly(levels))
    tifffile.imwrite(path, levels, photometric="rgb", iccprofile=linear_p3_profile)
    with pytest.raises(PictureError, match=r"^'.*p\.tif' has 16 bits .* convert it to sRGB.*$"):
        read_picture(path)


def test_deep_grey_in_another_space_is_refused(linear_grey_profile: bytes, tmp_path: Path) -> None:
    Image.fromarray(LEVELS[..., 0]).save(tmp_path / "p.png", icc_profile=linear_grey_profile)
    with pytest.raises(PictureError, match="convert it to sRGB"):
        read_picture(tmp_path / "p.png")


@pytest.mark.parametrize(
    ("levels", "photometric"),
    [
        (LEVELS[..., :3].astype(np.float32), "rgb"),
        (LEVELS[..., 0].astype(np.float32), "minisblack"),
        (LEVELS[..., 0].astype(np.int16), "minisblack"),
        (LEVELS[..., 0].astype(np.uint32), "minisblack"),
    ],
)
def test_tiff_of_numbers_without_a_white_is_refused(
    levels: Any, photometric: str, tifffile: Any, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "p.tif", np.ascontiguousarray(levels), photometric=photometric)
    with pytest.raises(PictureError, match=r"^'.*p\.tif' .* convert it to 8 or 16 bits$"):
        read_picture(tmp_path / "p.tif")


def test_cmyk_tiff_of_16_bits_is_refused(tifffile: Any, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "p.tif", LEVELS, photometric="separated")
    with pytest.raises(PictureError, match="convert it to RGB"):
        read_picture(tmp_path / "p.tif")


@pytest.mark.parametrize("colour", [2, 4, 6])
@pytest.mark.parametrize("as_image", [False, True])
def test_colour_png_of_16_bits_is_refused(colour: int, as_image: bool, tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    path.write_bytes(deep_png(colour))
    with Image.open(path) as image, pytest.raises(PictureError) as caught:
        read_picture(image if as_image else path)
    assert "cut to 8; convert it to 8 bits, or to a 16-bit TIFF" in str(caught.value)


def test_image_of_a_deep_tiff_is_refused(tifffile: Any, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "p.tif", LEVELS[..., :3], photometric="rgb")
    with (
        Image.open(tmp_path / "p.tif") as image,
        pytest.raises(PictureError, match="give its path"),
    ):
        read_picture(image)


def deep_png(colour: int) -> bytes:
    """A PNG of 16 bits a channel: 2 RGB, 4 grey and alpha, 6 RGB and alpha (PNG, 11.2.2)."""
    import struct
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    channels = {2: 3, 4: 2, 6: 4}[colour]
    rows = b"".join(b"\0" + LEVELS[y, :, :channels].astype(">u2").tobytes() for y in range(5))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">2I5B", 7, 5, 16, colour, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
