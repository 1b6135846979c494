"""Pictures arrive on disk exactly, whole or not at all."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from vangram.errors import OutputError, PictureError, ShapeError
from vangram.images import (
    check_output,
    read_frames,
    read_picture,
    write_animation,
    write_picture,
)
from vangram.images.write import FORMATS, _levels
from vangram.storage.files import quoted

MAKE = Callable[..., Tensor]
LOSSLESS = [".png", ".tif", ".tiff"]


def one_line(error: BaseException, path: Path) -> None:
    """An error says it on one line and quotes the path."""
    assert "\n" not in str(error)
    assert quoted(path) in str(error)


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_round_trip_is_exact(suffix: str, picture: MAKE, tmp_path: Path) -> None:
    pixels, path = picture(16, 48), tmp_path / f"p{suffix}"
    pixels.view(-1)[:256] = torch.arange(256) / 255  # every level at least once
    write_picture(path, pixels)
    read = read_picture(path)
    assert torch.equal(read.pixels, pixels)
    assert read.alpha is None
    assert read.exif is None


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_alpha_round_trip_is_exact(suffix: str, picture: MAKE, tmp_path: Path) -> None:
    pixels, alpha, path = picture(), picture(channels=1, seed=1), tmp_path / f"p{suffix}"
    alpha[0, 0, 0, 0] = 0
    write_picture(path, pixels, alpha=alpha)
    read = read_picture(path)
    assert read.alpha is not None
    assert torch.equal(read.alpha, alpha)
    assert torch.equal(read.pixels, pixels)


def test_webp_keeps_alpha_exactly_and_colours_where_nothing_shows(tmp_path: Path) -> None:
    pixels = torch.linspace(0, 1, 32).expand(1, 3, 32, 32)
    alpha = torch.zeros(1, 1, 32, 32)
    alpha[..., 0] = 1
    write_picture(tmp_path / "p.webp", pixels, alpha=alpha)
    read = read_picture(tmp_path / "p.webp")
    assert read.alpha is not None
    assert torch.equal(read.alpha, alpha)
    # Lossy at quality 95: a few levels of 255 on a ramp.
    assert float((read.pixels - pixels).abs().max()) < 10 / 255


def test_jpeg_flattens_alpha_on_white(tmp_path: Path) -> None:
    pixels = torch.zeros(1, 3, 16, 48)
    alpha = torch.zeros(1, 1, 16, 48)
    alpha[..., 16:32] = 0.5
    alpha[..., 32:] = 1
    write_picture(tmp_path / "p.jpg", pixels, alpha=alpha)
    read = read_picture(tmp_path / "p.jpg")
    assert read.alpha is None
    shown = read.pixels[0, 0, 8, [8, 24, 40]]
    # A few levels of 255 for JPEG.
    assert torch.allclose(shown, torch.tensor([1, 0.5, 0]), atol=4 / 255)


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_file_is_close_and_quality_matters(
    suffix: str, picture: MAKE, tmp_path: Path
) -> None:
    pixels = torch.nn.functional.interpolate(picture(6, 6), size=(48, 48), mode="bilinear")
    errors = []
    for quality in (95, 20):
        path = tmp_path / f"{quality}{suffix}"
        write_picture(path, pixels, quality=quality)
        errors.append(float((read_picture(path).pixels - pixels).abs().mean()))
    assert errors[0] < 4 / 255 < errors[1]


def test_jpeg_keeps_full_colour_resolution(tmp_path: Path) -> None:
    write_picture(tmp_path / "p.jpg", torch.rand(1, 3, 16, 16))
    with Image.open(tmp_path / "p.jpg") as image:
        assert {sampling[1:3] for sampling in getattr(image, "layer", ())} == {(1, 1)}


def test_levels_round_half_up() -> None:
    # The halves that float64 gives back exactly: rounding to even would take half of them down.
    below = [level for level in range(255) if (level + 0.5) / 255 * 255 == level + 0.5]
    assert sum(level % 2 == 0 for level in below) > 50
    values = (torch.tensor(below, dtype=torch.float64) + 0.5) / 255
    levels = _levels(values.reshape(1, 1, 1, -1)).flatten()
    assert levels.tolist() == [level + 1 for level in below]


@given(st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=20))
def test_levels_are_the_nearest_after_clamping(values: list[float]) -> None:
    levels = _levels(torch.tensor(values).reshape(1, 1, 1, -1)).flatten()
    for value, level in zip(values, levels.tolist(), strict=True):
        # A rounding of float32 beyond the half.
        assert abs(min(max(value, 0.0), 1.0) * 255 - level) <= 0.5 + 1e-4


@pytest.mark.parametrize("suffix", FORMATS)
def test_same_pixels_give_the_same_bytes(suffix: str, picture: MAKE, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[315] = "Ann"
    files = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for path in files:
        write_picture(path, picture(), alpha=None, exif=exif.tobytes(), recipe="a recipe")
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("suffix", FORMATS)
def test_exif_is_passed_on(suffix: str, picture: MAKE, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 1
    exif[315] = "Ann"
    exif[34665] = {36867: "2020:01:01 00:00:00", 40961: 1}
    exif[34853] = {1: "N", 2: (48.0, 12.0, 6.5)}
    given = exif.tobytes()
    path = tmp_path / f"p{suffix}"
    write_picture(path, picture(), exif=given, recipe="beside it")
    kept = read_picture(path).exif
    assert kept is not None
    read = Image.Exif()
    read.load(kept)
    assert (read[315], read[274]) == ("Ann", 1)
    assert read.get_ifd(34665) == {36867: "2020:01:01 00:00:00", 40961: 1}
    assert read.get_ifd(34853) == {1: "N", 2: (48.0, 12.0, 6.5)}


def test_tensors_are_not_changed(tmp_path: Path) -> None:
    pixels, alpha = torch.randn(1, 3, 4, 5, requires_grad=True), torch.rand(1, 1, 4, 5) * 2
    before = pixels.detach().clone(), alpha.clone()
    for suffix in FORMATS:
        write_picture(tmp_path / f"p{suffix}", pixels, alpha=alpha)
    assert torch.equal(pixels.detach(), before[0])
    assert torch.equal(alpha, before[1])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_precisions_are_written(dtype: torch.dtype, tmp_path: Path) -> None:
    pixels = torch.tensor([0, 1, 0.5]).reshape(1, 3, 1, 1).expand(1, 3, 2, 2)
    write_picture(tmp_path / "p.png", pixels.to(dtype))
    levels = read_picture(tmp_path / "p.png").pixels[0, :, 0, 0] * 255
    assert levels.tolist() == [0, 255, 128]


@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 3, 4, 5), (1, 1, 4, 5), (1, 3, 0, 5)])
def test_pixels_of_another_shape_are_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="1, 3, H, W"):
        write_picture(tmp_path / "p.png", torch.zeros(shape))
    assert list(tmp_path.iterdir()) == []


def test_alpha_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match=r"\(1, 1, 4, 6\)"):
        write_picture(tmp_path / "p.png", torch.zeros(1, 3, 4, 5), alpha=torch.zeros(1, 1, 4, 6))


def test_value_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    pixels = torch.zeros(1, 3, 4, 5)
    pixels[0, 1, 2, 3] = float("nan")
    with pytest.raises(PictureError, match="finite"):
        write_picture(tmp_path / "p.png", pixels)
    assert list(tmp_path.iterdir()) == []


def full(*_: Any, **__: Any) -> None:
    """What a full disk says."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("where", "what"), [("encode", "save"), ("disk", "fsync"), ("disk", "replace")]
)
def test_full_disk_leaves_the_old_file_whole(
    where: str, what: str, picture: MAKE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p.png"
    write_picture(path, picture())
    old = path.read_bytes()
    monkeypatch.setattr(Image.Image if where == "encode" else os, what, full)
    with pytest.raises(OutputError, match="No space left") as caught:
        write_picture(path, picture(seed=1))
    one_line(caught.value, path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_interruption_leaves_no_part_behind(
    picture: MAKE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_picture(tmp_path / "p.png", picture())
    assert list(tmp_path.iterdir()) == []


def test_part_is_on_disk_before_it_takes_the_place(
    picture: MAKE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def noted(name: str, call: Callable[..., None]) -> Callable[..., None]:
        def both(*arguments: Any) -> None:
            calls.append(name)
            call(*arguments)

        return both

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, noted(name, getattr(os, name)))
    write_picture(tmp_path / "p.png", picture())
    assert calls == ["fsync", "replace"]


def test_link_stays_a_link(picture: MAKE, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "real.png", tmp_path / "link.png"
    write_picture(target, picture())
    link.symlink_to(target)
    write_picture(link, picture(seed=1))
    assert link.is_symlink()
    assert torch.equal(read_picture(target).pixels, picture(seed=1))


def test_file_gets_the_permissions_of_any_new_file(picture: MAKE, tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    write_picture(tmp_path / "p.png", picture())
    assert (tmp_path / "p.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_missing_folder_is_reported_when_writing(picture: MAKE, tmp_path: Path) -> None:
    path = tmp_path / "none" / "p.png"
    with pytest.raises(OutputError) as caught:
        write_picture(path, picture())
    one_line(caught.value, path)


@pytest.mark.parametrize("name", ["p.png", "p.JPG", "p.jpeg", "p.webp", "p.tif", "p.Tiff"])
def test_possible_output_passes_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    check_output(tmp_path / name)
    check_output(str(tmp_path / name), size=(4000, 6000))
    assert list(tmp_path.iterdir()) == []


def test_existing_file_passes(picture: MAKE, tmp_path: Path) -> None:
    write_picture(tmp_path / "p.png", picture())
    check_output(tmp_path / "p.png")


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("p", "end it in .png"),
        ("p.gif", "end it in .png"),
        ("p.png.txt", "end it in .png"),
        (".png", "end it in .png"),
        ("none/p.png", "does not exist"),
        ("file/p.png", "is no folder"),
        ("folder.png", "is a folder"),
        ("x" * 300 + ".png", "choose another name"),
        ("a\0b.png", "choose another name"),
        ("two\nlines/p.png", "does not exist"),
    ],
)
def test_impossible_output_is_refused(name: str, word: str, tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    path = tmp_path / name
    with pytest.raises(OutputError) as caught:
        check_output(path)
    one_line(caught.value, path)
    assert word in str(caught.value)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_folder_without_permission_is_refused(picture: MAKE, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    with pytest.raises(OutputError, match="may not be written"):
        check_output(folder / "p.png")
    with pytest.raises(OutputError, match="Permission denied"):
        write_picture(folder / "p.png", picture())


def test_refusal_by_the_system_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="may not be written"):
        check_output(tmp_path / "p.png")


@pytest.mark.parametrize("name", ["p.webp", "p.jpg"])
def test_picture_too_long_for_its_format_is_refused_before_any_work(
    name: str, tmp_path: Path
) -> None:
    for size in ((70_000, 10), (10, 70_000)):
        with pytest.raises(OutputError, match=r"choose \.png or \.tif"):
            check_output(tmp_path / name, size=size)
    with pytest.raises(OutputError, match=r"choose \.png or \.tif"):
        write_picture(tmp_path / name, torch.zeros(1, 3, 2, 70_000))
    check_output(tmp_path / "p.png", size=(70_000, 10))


def test_animation_shows_every_frame_and_stays_on_the_last(tmp_path: Path) -> None:
    frames = [torch.full((1, 3, 8, 10), value) for value in (0.0, 0.5, 1.0)]
    write_animation(tmp_path / "a.webp", frames, milliseconds=100)
    with Image.open(tmp_path / "a.webp") as image:
        assert (getattr(image, "n_frames", 1), image.size, image.info["loop"]) == (3, (10, 8), 0)
        shown = []
        for index, value in enumerate((0, 128, 255)):
            image.seek(index)
            level = image.convert("RGB").getpixel((5, 4))
            assert isinstance(level, tuple)
            assert abs(level[0] - value) <= 3
            shown.append(image.info["duration"])
    assert shown[:2] == [100, 100]
    assert shown[2] > 500


def test_animation_of_one_frame_is_a_picture(picture: MAKE, tmp_path: Path) -> None:
    write_animation(tmp_path / "a.webp", [picture()])
    assert read_picture(tmp_path / "a.webp").size == (5, 7)


def test_animation_that_cannot_be_is_refused(picture: MAKE, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"end the name in \.webp"):
        write_animation(tmp_path / "a.jpg", [picture()])
    with pytest.raises(ShapeError, match="none"):
        write_animation(tmp_path / "a.webp", [])
    with pytest.raises(ShapeError, match="one shape"):
        write_animation(tmp_path / "a.webp", [picture(), picture(6, 7)])
    assert list(tmp_path.iterdir()) == []


def test_encoder_that_refuses_is_reported(
    picture: MAKE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("encoder\nerror")

    monkeypatch.setattr(Image.Image, "save", broken)
    with pytest.raises(OutputError, match="encoder error") as caught:
        write_picture(tmp_path / "p.png", picture())
    one_line(caught.value, tmp_path / "p.png")


@pytest.mark.parametrize("suffix", [".webp", ".png", ".gif"])
def test_animation_keeps_the_alpha_of_each_frame(suffix: str, tmp_path: Path) -> None:
    frames, parts = [torch.full((1, 3, 8, 24), 0.5)] * 4, [torch.zeros(1, 1, 8, 24) for _ in "123"]
    for index, alpha in enumerate(parts):
        alpha[..., 2:6, 8 * index : 8 * index + 6] = 1
        alpha[..., 0, :] = 0.25  # a GIF has no such pixels
    alphas: list[torch.Tensor | None] = [*parts, None]
    path = tmp_path / f"a{suffix}"
    write_animation(path, frames, alphas=alphas, recipe="r")
    with read_frames(path) as (count, found):
        assert count == 4
        for frame, given in zip(found, alphas, strict=True):
            if given is None:
                assert frame.alpha is None
                continue
            wanted = (given >= 0.5).float() if suffix == ".gif" else given
            assert frame.alpha is not None
            assert torch.allclose(frame.alpha, wanted, rtol=0, atol=0.5 / 255)  # of 8 bits
            shown = frame.alpha.expand(-1, 3, -1, -1) == 1
            assert (frame.pixels[shown] - 0.5).abs().max() < 0.02  # lossy, or a palette
