"""Animations: frames as browsers show them, with their alpha, through the reader of pictures."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.images.files import apng, chunk, levels, png
from vangram.errors import PictureError, SizeError
from vangram.images import Picture, read_frames, read_picture, write_animation

SIZE = (6, 8)
RED, BLUE, CLEAR, HALF = (255, 0, 0, 255), (0, 0, 255, 255), (0, 0, 0, 0), (255, 0, 0, 128)


def frames(path: Path, **options: Any) -> list[Picture]:
    with read_frames(path, **options) as (count, found):
        read = list(found)
    assert len(read) == count
    return read


def shown(picture: Picture) -> Any:
    """(H, W, 4) levels."""
    alpha = torch.ones_like(picture.pixels[:, :1]) if picture.alpha is None else picture.alpha
    values = torch.cat((picture.pixels, alpha), dim=1)[0].permute(1, 2, 0)
    return (values * 255).round().byte().numpy()


def patch(colour: tuple[int, ...], height: int = SIZE[0], width: int = SIZE[1]) -> Any:
    return np.full((height, width, 4), colour, np.uint8)


def gif(path: Path, *parts: tuple[tuple[int, ...], tuple[int, int, int, int], int]) -> None:
    """A GIF of flat rectangles: colour, (left, top, width, height), disposal; by hand."""
    blocks = [b"GIF89a", SIZE[1].to_bytes(2, "little"), SIZE[0].to_bytes(2, "little"), b"\0\0\0"]
    for colour, (left, top, width, height), disposal in parts:
        image = Image.new("P", (width, height), int(colour[3] == 0))
        image.putpalette(bytes((*colour[:3], 9, 9, 9)))
        file = BytesIO()
        image.save(file, "GIF", interlace=0, transparency=1, optimize=False)
        data = file.getvalue()
        at = data.index(b"\x2c\0\0\0\0", 10)  # Pillow's image descriptor, behind its global table
        packed, table = data[10], data[13 : 13 + (3 << (data[10] & 7) + 1)]
        blocks.append(bytes([0x21, 0xF9, 4, disposal << 2 | 1, 5, 0, 1, 0]))
        where = b"".join(value.to_bytes(2, "little") for value in (left, top, width, height))
        blocks.append(b"\x2c" + where + bytes([0x80 | packed & 7]) + table + data[at + 10 : -1])
    path.write_bytes(b"".join(blocks) + b";")


def test_gif_disposes_of_frames_as_browsers_do(tmp_path: Path) -> None:
    whole, left, right = (0, 0, 8, 6), (0, 0, 4, 6), (4, 0, 4, 6)
    for disposal, background in ((0, RED), (1, RED), (2, CLEAR), (3, CLEAR)):
        gif(tmp_path / "a.gif", (RED, whole, disposal), (BLUE, left, 2), (BLUE, right, 0))
        first, second, third = map(shown, frames(tmp_path / "a.gif"))
        assert (first == RED).all()
        assert (second[:, :4] == BLUE).all()
        assert (second[:, 4:] == background).all()
        assert (third[:, :4] == CLEAR).all()
        assert (third[:, 4:] == BLUE).all()


def test_gifs_frame_comes_back_after_one_that_restores(tmp_path: Path) -> None:
    gif(
        tmp_path / "a.gif",
        (RED, (0, 0, 8, 6), 1),
        (BLUE, (2, 2, 3, 3), 3),
        (CLEAR, (0, 0, 1, 1), 1),
    )
    first, second, third = map(shown, frames(tmp_path / "a.gif"))
    assert (second[2:5, 2:5] == BLUE).all()
    assert np.array_equal(first, third)


def test_still_of_a_gif_is_its_first_frame_with_alpha(tmp_path: Path) -> None:
    gif(tmp_path / "a.gif", (RED, (2, 1, 3, 4), 1), (BLUE, (0, 0, 8, 6), 1))
    found = read_picture(tmp_path / "a.gif")
    assert np.array_equal(shown(found), shown(frames(tmp_path / "a.gif")[0]))
    assert (shown(found)[1:5, 2:5] == RED).all()
    assert found.alpha is not None
    assert float(found.alpha.sum()) == 12
    assert found.notes[0].endswith("it has 2 frames, the first is read")
    assert found.sha256 is not None


def test_gifs_palette_and_transparency_are_exact(tmp_path: Path) -> None:
    stored = np.random.default_rng(0).integers(0, 200, (20, 30), dtype=np.uint8)
    palette = np.random.default_rng(1).integers(0, 256, (256, 3), dtype=np.uint8)
    image = Image.fromarray(stored, "L").convert("P")
    image.putdata(stored.flatten().tolist())
    image.putpalette(palette.tobytes())
    for interlace in (0, 1):
        image.save(tmp_path / "p.gif", transparency=7, interlace=interlace, optimize=False)
        found = read_picture(tmp_path / "p.gif")
        assert found.alpha is not None
        assert np.array_equal(found.alpha[0, 0].numpy() == 0, stored == 7)
        assert (shown(found)[stored != 7][:, :3] == palette[stored[stored != 7]]).all()
        assert (shown(found)[stored == 7][:, :3] == 0).all()


def test_apng_blends_disposes_and_leaves_its_default_picture_out(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(
        apng(
            SIZE,
            [
                (patch(BLUE), 0, 0, 0, 0),
                (patch(HALF, 3, 4), 2, 1, 2, 1),  # over, and what was there comes back
                (patch(HALF, 3, 4), 2, 1, 1, 0),  # in place of, and cleared
                (patch(RED, 1, 1), 0, 0, 0, 1),
            ],
            default=patch((9, 9, 9, 255)),
        )
    )
    found = [shown(each) for each in frames(path)]
    assert len(found) == 4
    assert (found[0] == BLUE).all()
    assert (found[1][1:4, 2:6] == (128, 0, 127, 255)).all()
    assert (found[2][1:4, 2:6] == HALF).all()
    assert (found[3][1:4, 2:6] == CLEAR).all()
    assert (found[3][0, 0] == RED).all()
    assert (found[3][5] == BLUE).all()
    still = read_picture(path)
    assert (shown(still) == (9, 9, 9, 255)).all()
    assert still.notes[0].endswith("it is an animation, its default picture is read")


def test_apng_whose_default_picture_is_a_frame_has_it_first(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(apng(SIZE, [(patch(BLUE), 0, 0, 0, 0), (patch(RED, 2, 2), 6, 4, 0, 1)]))
    first, second = map(shown, frames(path))
    assert (first == BLUE).all()
    assert (second[4:, 6:] == RED).all()
    assert (second[:4] == BLUE).all()


def test_apng_with_a_damaged_frame_is_refused_as_an_animation_only(tmp_path: Path) -> None:
    path, data = (
        tmp_path / "a.png",
        apng(SIZE, [(patch(BLUE), 0, 0, 0, 0), (patch(RED), 0, 0, 0, 0)]),
    )
    at = data.rindex(b"fdAT")
    path.write_bytes(data[: at + 12] + bytes([data[at + 12] ^ 1]) + data[at + 13 :])
    assert (shown(read_picture(path)) == BLUE).all()
    with pytest.raises(PictureError, match="a frame's checksum is wrong"):
        frames(path)


def test_webp_keeps_its_alpha(tmp_path: Path) -> None:
    stored = [Image.fromarray(patch(colour)) for colour in (HALF, BLUE, CLEAR)]
    stored[0].save(
        tmp_path / "a.webp", save_all=True, append_images=stored[1:], lossless=True, exact=True
    )
    found = [shown(each) for each in frames(tmp_path / "a.webp")]
    assert [tuple(each[0, 0]) for each in found] == [HALF, BLUE, CLEAR]


def test_own_animation_is_read(tmp_path: Path) -> None:
    write_animation(tmp_path / "a.webp", [torch.rand(1, 3, 6, 8) for _ in range(3)])
    assert len(frames(tmp_path / "a.webp")) == 3


def test_pages_of_a_tiff_are_frames_but_for_thumbnails(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    pages = [levels(6, 8, 3, np.uint16, seed) for seed in range(3)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for number, page in enumerate(pages):
            file.write(page, photometric="rgb", subfiletype=int(number == 1))
    first, second = frames(tmp_path / "a.tif")
    for found, page in ((first, pages[0]), (second, pages[2])):
        wanted = torch.from_numpy(page.astype(np.float32) / 65535).permute(2, 0, 1)
        assert torch.equal(found.pixels[0], wanted)


def test_picture_has_one_frame(tmp_path: Path) -> None:
    for suffix in ("png", "jpg", "bmp", "tif", "avif", "webp", "gif"):
        Image.new("RGB", (8, 6), (10, 20, 30)).save(tmp_path / f"p.{suffix}")
        assert len(frames(tmp_path / f"p.{suffix}")) == 1


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_frames_too_large_are_refused_before_they_are_decoded(suffix: str, tmp_path: Path) -> None:
    stored = [Image.new("RGB", (80, 60), (level, 0, 0)) for level in (0, 255)]
    stored[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=stored[1:])
    assert len(frames(tmp_path / f"a.{suffix}", largest=9600)) == 2
    with pytest.raises(SizeError, match="80 x 60"):
        frames(tmp_path / f"a.{suffix}", largest=4799)


def test_tiny_gif_of_a_huge_canvas_is_refused(tmp_path: Path) -> None:
    canvas = (20_000).to_bytes(2, "little") + (15_000).to_bytes(2, "little")
    gif(tmp_path / "a.gif", (RED, (0, 0, 8, 6), 0), (BLUE, (0, 0, 8, 6), 0))
    data = (tmp_path / "a.gif").read_bytes()
    (tmp_path / "a.gif").write_bytes(data[:6] + canvas + data[10:])
    for read in (read_picture, frames):
        with pytest.raises(SizeError, match="20000 x 15000"):
            read(tmp_path / "a.gif", largest=10**7)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_animation_cut_short_is_refused(suffix: str, tmp_path: Path) -> None:
    stored = [Image.fromarray(levels(40, 30, 3, seed=seed)) for seed in range(4)]
    path = tmp_path / f"a.{suffix}"
    stored[0].save(path, save_all=True, append_images=stored[1:])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(PictureError):
        frames(path)


def test_frames_have_the_notes_of_their_file(tmp_path: Path) -> None:
    """Of what is lost in each frame, and not that there are others."""
    lost = chunk(b"gAMA", (50_000).to_bytes(4, "big"), check=1)
    files = {
        "still.png": png(np.full((6, 8, 3), 100, np.uint8), lost),
        "moving.png": apng(
            (6, 8), [(np.full((6, 8, 4), n, np.uint8), 0, 0, 0, 0) for n in (9, 99)]
        ),
    }
    files["lost.png"] = files["moving.png"][:33] + lost + files["moving.png"][33:]
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        with read_frames(tmp_path / name) as (_, frames):
            found = [frame.notes for frame in frames]
        note = f"{str(tmp_path / name)!r}: ignored, as damaged or too long: gAMA"
        wanted = () if name == "moving.png" else (note,)
        assert found == [wanted] * (1 if name == "still.png" else 2)


def test_pages_have_no_note_that_there_are_others(tmp_path: Path) -> None:
    first, other = (Image.new("RGB", (8, 6), colour) for colour in ("red", "blue"))
    for name in ("a.tif", "a.webp", "a.gif"):
        first.save(tmp_path / name, save_all=True, append_images=[other])
        with read_frames(tmp_path / name) as (count, frames):
            assert (count, [frame.notes for frame in frames]) == (2, [(), ()])
        assert "the first is read" in read_picture(tmp_path / name).notes[0]


def test_frames_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    gif(tmp_path / "a.gif", *[(RED, (0, 0, 8, 6), 1)] * 3)
    data = (tmp_path / "a.gif").read_bytes()
    cut = data.rindex(b"\x2c")
    (tmp_path / "a.gif").write_bytes(data[: cut + 20] + bytes(len(data) - cut - 20) + b";")
    with read_frames(tmp_path / "a.gif") as (count, found):
        assert count == 3
        assert next(found).size == SIZE
        assert next(found).size == SIZE
        with pytest.raises(PictureError):
            next(found)
