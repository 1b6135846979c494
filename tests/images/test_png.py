"""PNG: checksums, metadata that never costs the picture, colour chunks, 16 bits."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from tests.images.files import chunk, header, levels, png, rows
from vangram.errors import PictureError
from vangram.images import Picture, read_picture, read_recipe, write_picture
from vangram.images.xmp import packed

COLOURS = levels(12, 10, 3)


@pytest.fixture
def read(tmp_path: Path) -> Callable[[bytes], Picture]:
    def read(data: bytes) -> Picture:
        (tmp_path / "p.png").write_bytes(data)
        return read_picture(tmp_path / "p.png")

    return read


Read = Callable[[bytes], Picture]


def as_levels(picture: Picture) -> Any:
    return (picture.pixels[0].permute(1, 2, 0) * 255).round().numpy()


def encoded(linear: Any) -> Any:
    """The transfer function of sRGB (IEC 61966-2-1)."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


# Checksums


@pytest.mark.parametrize("name", [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"])
def test_wrong_checksum_of_what_matters_is_refused(name: bytes, read: Read) -> None:
    image, file = Image.fromarray(COLOURS).convert("P"), BytesIO()
    image.save(file, "PNG", transparency=image.getpixel((0, 0)))
    data = bytearray(file.getvalue())
    assert read(bytes(data)).alpha is not None
    data[data.index(name) + 5] ^= 1  # a bit of its content, or of the next checksum
    with pytest.raises(PictureError, match=rf"the checksum of its {name.decode()} chunk is wrong"):
        read(bytes(data))


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_zeros_in_place_of_the_data_are_refused(part: float, read: Read) -> None:
    data = png(levels(64, 64, 3))
    cut = int(part * len(data))
    with pytest.raises(PictureError, match="is damaged"):
        read(data[:cut] + bytes(len(data) - cut))


@pytest.mark.parametrize("name", [b"tEXt", b"iCCP", b"gAMA", b"eXIf", b"abCd"])
def test_wrong_checksum_of_what_does_not_matter_is_a_note(name: bytes, read: Read) -> None:
    body = {b"gAMA": (100000).to_bytes(4, "big")}.get(name, b"Title\0text")
    found = read(png(COLOURS, chunk(name, body, check=1)))
    assert np.array_equal(as_levels(found), COLOURS)
    assert found.notes == (f"{found.name!r}: ignored, as damaged or too long: {name.decode()}",)


def test_missing_end_is_a_note(read: Read) -> None:
    found = read(png(COLOURS)[:-12])
    assert np.array_equal(as_levels(found), COLOURS)
    assert found.notes[0].endswith("its end is missing")
    assert read(png(COLOURS)).notes == ()


def test_data_behind_the_end_do_not_count(read: Read) -> None:
    assert read(png(COLOURS) + bytes(1000)).notes == ()


@pytest.mark.parametrize(
    "data",
    [
        zlib.compress(rows(COLOURS)[:-1]),  # a byte short, and whole as to zlib
        zlib.compress(rows(COLOURS))[:-6],
        zlib.compress(rows(COLOURS))[:-1] + b"?",  # zlib's checksum
        zlib.compress(rows(COLOURS))[: len(rows(COLOURS)) // 2],
        b"",
        b"\0" * 100,
    ],
)
def test_pixels_that_cannot_be_inflated_are_refused(data: bytes, read: Read) -> None:
    with pytest.raises(PictureError, match=r"is damaged \("):
        read(png(COLOURS, data=data))


def test_pixels_that_cannot_be_there_are_refused_before_room_is_made(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = png(COLOURS).replace(header(COLOURS), struct.pack(">2I5B", 19_000, 19_000, 8, 2, 0, 0, 0))
    body = struct.pack(">2I5B", 19_000, 19_000, 8, 2, 0, 0, 0)
    few = few.replace(
        struct.pack(">I", zlib.crc32(b"IHDR" + header(COLOURS))),
        struct.pack(">I", zlib.crc32(b"IHDR" + body)),
    )

    def inflated() -> None:
        raise AssertionError("inflated")

    monkeypatch.setattr("zlib.decompressobj", inflated)
    with pytest.raises(PictureError, match="its pixels end early"):
        read(few)


@pytest.mark.parametrize("colour", [("L", 1), ("RGB", 3), ("RGBA", 4)])
@pytest.mark.parametrize("size", [(1, 3), (5, 9), (16, 16), (33, 2)])
def test_interlaced_picture_is_whole(
    colour: tuple[str, int], size: tuple[int, int], read: Read
) -> None:
    from vangram.images.read_png import Header

    wanted = {1: 0, 3: 2, 4: 6}[colour[1]]
    plain = Header(size[1], size[0], 8, wanted, 0, 0, 0)
    assert plain.raw_bytes == size[0] * (1 + size[1] * colour[1])
    # Seven passes over 8 x 8 pixels (8.1): each pixel once, and the filter types of rows with any.
    pattern = np.array(
        [
            [1, 6, 4, 6, 2, 6, 4, 6],
            [7] * 8,
            [5, 6, 5, 6, 5, 6, 5, 6],
            [7] * 8,
            [3, 6, 4, 6, 3, 6, 4, 6],
            [7] * 8,
            [5, 6, 5, 6, 5, 6, 5, 6],
            [7] * 8,
        ]
    )
    passes = np.tile(pattern, (5, 5))[: size[0], : size[1]]
    filters = sum(int((passes == n).any(1).sum()) for n in range(1, 8))
    assert plain._replace(interlace=1).raw_bytes == size[0] * size[1] * colour[1] + filters


# Metadata


@pytest.mark.parametrize("length", [3_000_000, 100_000_000])
def test_long_text_does_not_cost_the_picture(length: int, tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "x" * length, zip=True)
    info.add_itxt("XML:com.adobe.xmp", packed("the recipe").decode())
    Image.fromarray(COLOURS).save(tmp_path / "p.png", pnginfo=info)
    with (
        pytest.raises(ValueError, match="Decompressed data too large"),
        Image.open(tmp_path / "p.png") as image,
    ):
        image.load()
    found = read_picture(tmp_path / "p.png")
    assert np.array_equal(as_levels(found), COLOURS)
    assert found.notes == ()
    assert read_recipe(tmp_path / "p.png") == "the recipe"


def test_profile_beyond_pillows_limit_is_used(linear_p3_profile: bytes, read: Read) -> None:
    long = linear_p3_profile + bytes(2_000_000)
    long = len(long).to_bytes(4, "big") + long[4:]
    found = read(png(COLOURS, chunk(b"iCCP", b"name\0\0" + zlib.compress(long))))
    plain = read(png(COLOURS, chunk(b"iCCP", b"name\0\0" + zlib.compress(linear_p3_profile))))
    assert torch.equal(found.pixels, plain.pixels)
    assert not np.array_equal(as_levels(found), COLOURS)


@pytest.mark.parametrize(
    "body",
    [
        b"name\0\0" + zlib.compress(bytes(40_000_000)),  # too long
        b"name\0\0" + zlib.compress(b"a profile")[:-5],
        b"name\0\0nonsense",
        b"no name at all" * 10,
        b"",
    ],
)
def test_profile_that_cannot_be_read_is_a_note(body: bytes, read: Read) -> None:
    found = read(png(COLOURS, chunk(b"iCCP", body)))
    assert np.array_equal(as_levels(found), COLOURS)
    assert "iCCP" in found.notes[0]


def test_profile_whose_colour_space_is_not_ascii_is_a_note(
    linear_p3_profile: bytes, read: Read
) -> None:
    strange = linear_p3_profile[:16] + b"\xff\xfe\xfd\xfc" + linear_p3_profile[20:]
    found = read(png(COLOURS, chunk(b"iCCP", b"name\0\0" + zlib.compress(strange))))
    assert np.array_equal(as_levels(found), COLOURS)
    assert "colour profile cannot be used" in found.notes[0]


@pytest.mark.parametrize("compressed", [False, True])
def test_exif_in_a_text_turns_the_picture(compressed: bool, read: Read) -> None:
    exif = Image.Exif()
    exif[274] = 6
    data = exif.tobytes()
    text = f"\nexif\n{len(data):8}\n{data.hex()}\n".encode()
    key = b"Raw profile type exif\0"
    name, body = (
        (b"zTXt", key + b"\0" + zlib.compress(text)) if compressed else (b"tEXt", key + text)
    )
    assert read(png(COLOURS, chunk(name, body))).size == (10, 12)


# Colour chunks

GAMMA_1 = chunk(b"gAMA", (100_000).to_bytes(4, "big"))
GAMMA_SRGB = chunk(b"gAMA", (45_455).to_bytes(4, "big"))
SRGB = chunk(b"sRGB", b"\0")
SRGB_CHROMATICITIES = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
P3_CHROMATICITIES = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
P3_TO_SRGB = np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]])
"""Linear Display P3 to linear sRGB (CSS Color 4, section 17, rounded)."""


def chromaticities(values: tuple[int, ...]) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *values))


def close(found: Picture, wanted: Any, by: float = 1e-6) -> bool:
    return bool(np.abs(found.pixels[0].permute(1, 2, 0).numpy() - wanted).max() < by)


def test_gamma_is_applied(read: Read) -> None:
    assert close(read(png(COLOURS, GAMMA_1)), encoded(COLOURS / 255))
    gamma = chunk(b"gAMA", (55_556).to_bytes(4, "big"))
    assert close(read(png(COLOURS, gamma)), encoded((COLOURS / 255) ** 1.8), 1e-5)
    grey = levels(5, 6, 1)
    assert close(read(png(grey, GAMMA_1)), encoded(grey / 255))


def test_chromaticities_are_applied(read: Read) -> None:
    found = read(png(COLOURS, GAMMA_1, chromaticities(P3_CHROMATICITIES)))
    # The matrix is rounded to four digits, and the curve's slope at black is 13.
    assert close(found, encoded(COLOURS / 255 @ P3_TO_SRGB.T), 3e-3)
    white = np.full((3, 4, 3), 255, np.uint8)
    assert close(read(png(white, chromaticities(P3_CHROMATICITIES))), 1.0)


def test_linear_p3_by_cicp_is_that_by_profile(linear_p3_profile: bytes, read: Read) -> None:
    by_code = read(png(COLOURS, chunk(b"cICP", bytes((12, 8, 0, 1)))))
    by_profile = read(png(COLOURS, chunk(b"iCCP", b"n\0\0" + zlib.compress(linear_p3_profile))))
    # LittleCMS computes with 8 bits here, and sRGB's slope at black is 13.
    assert (by_code.pixels - by_profile.pixels).abs().max() < 4 / 255
    assert (by_code.pixels - by_profile.pixels).abs().mean() < 0.5 / 255
    assert not close(by_code, COLOURS / 255, 50 / 255)


def test_picture_in_srgb_by_any_chunk_keeps_its_levels(read: Read) -> None:
    for chunks in (
        [SRGB],
        [GAMMA_SRGB],
        [GAMMA_SRGB, chromaticities(SRGB_CHROMATICITIES)],
        [chromaticities(SRGB_CHROMATICITIES)],
        [chunk(b"cICP", bytes((1, 13, 0, 1)))],
    ):
        found = read(png(COLOURS, *chunks))
        assert np.array_equal(as_levels(found), COLOURS)
        assert torch.equal(found.pixels, read(png(COLOURS)).pixels)


def test_precedence_is_cicp_then_iccp_then_srgb_then_gamma(
    linear_p3_profile: bytes, read: Read
) -> None:
    code = chunk(b"cICP", bytes((1, 8, 0, 1)))
    profile = chunk(b"iCCP", b"n\0\0" + zlib.compress(linear_p3_profile))
    gamma = chunk(b"gAMA", (55_556).to_bytes(4, "big"))
    alone = {name: read(png(COLOURS, name)).pixels for name in (code, profile, SRGB, gamma)}
    order = [code, profile, SRGB, gamma]
    for first, higher in enumerate(order):
        for lower in order[first + 1 :]:
            for chunks in ((higher, lower), (lower, higher)):
                assert torch.equal(read(png(COLOURS, *chunks)).pixels, alone[higher])
            assert not torch.equal(alone[higher], alone[lower])


@pytest.mark.parametrize(
    "bad",
    [
        chunk(b"gAMA", bytes(4)),
        chunk(b"gAMA", b"\1"),
        chromaticities((0,) * 8),
        chromaticities((2**32 - 1,) * 8),
        chunk(b"cHRM", b"short"),
        chunk(b"cICP", bytes((255, 13, 0, 1))),
        chunk(b"cICP", bytes((1, 13, 5, 1))),
        chunk(b"cICP", b"\1"),
    ],
)
def test_colour_chunk_without_a_meaning_is_a_note(bad: bytes, read: Read) -> None:
    found = read(png(COLOURS, bad))
    assert np.array_equal(as_levels(found), COLOURS)
    assert found.notes[0].endswith(f"too long: {bad[4:8].decode()}")


def test_narrow_range_is_widened(read: Read) -> None:
    grey = np.array([16, 235, 0, 255], np.uint8).reshape(2, 2, 1).repeat(3, 2)
    found = read(png(grey, chunk(b"cICP", bytes((1, 13, 0, 0)))))
    # The curve to linear light and back.
    assert close(found, np.array([0, 1, 0, 1]).reshape(2, 2, 1), 1e-6)


@pytest.mark.parametrize("transfer", [16, 18])
def test_high_dynamic_range_is_refused(transfer: int, read: Read) -> None:
    with pytest.raises(PictureError, match="high dynamic range"):
        read(png(COLOURS, chunk(b"cICP", bytes((9, transfer, 0, 1)))))


# 16 bits


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_of_16_bits_is_exact(channels: int, read: Read) -> None:
    stored = levels(9, 7, channels, np.uint16)
    found = read(png(stored))
    values = torch.from_numpy(stored.astype(np.float32) / 65535).permute(2, 0, 1)
    colours = values[:1].expand(3, -1, -1) if channels < 3 else values[:3]
    assert torch.equal(found.pixels[0], colours)
    if channels in (2, 4):
        assert found.alpha is not None
        assert torch.equal(found.alpha[0, 0], values[-1])
    else:
        assert found.alpha is None


def test_interlaced_colour_png_of_16_bits_is_exact(read: Read) -> None:
    stored = levels(9, 7, 3, np.uint16)
    # Its seven passes, a row at a time (8.1).
    data = b""
    for x, y, dx, dy in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        part = stored[y::dy, x::dx]
        data += rows(part) if part.size else b""
    plain = png(stored, data=zlib.compress(data))
    body = header(stored, interlace=1)
    found = read(plain.replace(chunk(b"IHDR", header(stored)), chunk(b"IHDR", body)))
    values = torch.from_numpy(stored.astype(np.float32) / 65535).permute(2, 0, 1)
    assert torch.equal(found.pixels[0], values)


def test_transparent_colour_of_16_bits_becomes_alpha(read: Read) -> None:
    stored = levels(4, 5, 3, np.uint16)
    stored[1, 2], stored[1, 3] = (1000, 2000, 3000), (1000, 2000, 3001)  # alike in 8 bits
    found = read(png(stored, chunk(b"tRNS", struct.pack(">3H", 1000, 2000, 3000))))
    assert found.alpha is not None
    assert (found.alpha == 0).nonzero().tolist() == [[0, 0, 1, 2]]


def test_gamma_of_16_bits_keeps_them(read: Read) -> None:
    stored = levels(9, 7, 3, np.uint16)
    assert close(read(png(stored, GAMMA_1)), encoded(stored / 65535))


def test_png_of_16_bits_in_another_colour_space_is_refused(
    linear_p3_profile: bytes, other_srgb_profile: bytes, read: Read
) -> None:
    stored = levels(9, 7, 3, np.uint16)
    assert read(png(stored, chunk(b"iCCP", b"n\0\0" + zlib.compress(other_srgb_profile))))
    with pytest.raises(PictureError, match="convert it to sRGB"):
        read(png(stored, chunk(b"iCCP", b"n\0\0" + zlib.compress(linear_p3_profile))))


def test_image_of_a_deep_png_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(png(levels(9, 7, 3, np.uint16)))
    with (
        Image.open(tmp_path / "p.png") as image,
        pytest.raises(PictureError, match="give its path"),
    ):
        read_picture(image)


def test_written_picture_has_no_notes(tmp_path: Path) -> None:
    write_picture(tmp_path / "p.png", torch.rand(1, 3, 9, 7), recipe="text")
    assert read_picture(tmp_path / "p.png").notes == ()
