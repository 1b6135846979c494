"""Small inputs that were misread once, made here, given to a run as users give them."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, ImageDraw

import vangram
from tests.conftest import Outcome
from tests.images.files import apng, chunk, png
from tests.support import drawn
from vangram.images import Picture, read_frames
from vangram.run import Run

Command = Callable[..., Outcome]
SMALL: dict[str, Any] = {"size": 64, "steps": 1, "style_layers": {"relu1_1": 0.5, "relu3_1": 0.5}}
SIZE = (128, 192)
LEVELS = drawn(*SIZE, seed=1).mul(255).round().byte().permute(1, 2, 0).contiguous().numpy()
PHOTO = Image.fromarray(LEVELS)


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def disc(level: int) -> Image.Image:
    """A grey picture whose alpha is a disc of 20.9 % of its area."""
    alpha = Image.new("L", (192, 128))
    ImageDraw.Draw(alpha).ellipse((56, 24, 136, 104), fill=255)
    return Image.merge("LA", (Image.new("L", alpha.size, level), alpha))


def labels() -> Image.Image:
    mask = Image.new("L", (192, 128), 0)
    ImageDraw.Draw(mask).rectangle((0, 0, 49, 127), fill=1)
    ImageDraw.Draw(mask).rectangle((50, 0, 99, 127), fill=2)
    return mask


def with_small_region() -> Image.Image:
    mask = Image.new("RGB", (192, 128))
    mask.paste((255, 255, 255), (100, 0, 192, 128))
    mask.paste((255, 0, 0), (20, 20, 37, 37))
    return mask


def sprites() -> list[Image.Image]:
    """A green square that moves, on nothing."""
    frames = []
    for step in range(4):
        frame = Image.new("RGBA", (128, 96))
        frame.paste((0, 200, 0, 255), (10 + 20 * step, 30, 40 + 20 * step, 60))
        frames.append(frame)
    return frames


def with_a_thumbnail() -> bytes:
    """A TIFF whose first page is a reduced one."""
    small, whole = Image.new("RGB", (48, 32), (255, 0, 255)), PHOTO.copy()
    whole.encoderinfo = {"tiffinfo": {254: 0}}
    return saved(small, "TIFF", save_all=True, append_images=[whole], tiffinfo={254: 1})


def with_a_long_profile() -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return png(LEVELS, chunk(b"iCCP", b"long\0\0" + zlib.compress(profile + bytes(3_000_000))))


def linear() -> bytes:
    """The photograph's light, not its levels, with 16 bits and a gamma of 1."""
    level = LEVELS / 255
    light = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    gamma = chunk(b"gAMA", (100_000).to_bytes(4, "big"))
    return png((light * 65535).round().astype(np.uint16), gamma)


def with_its_second_half_zero() -> bytes:
    data = png(LEVELS)
    return data[: len(data) // 2] + bytes(len(data) - len(data) // 2)


def cut_and_closed() -> bytes:
    data = saved(PHOTO, "JPEG", quality=85)
    return data[: len(data) // 2].rstrip(b"\xff") + b"\xff\xd9"


def huge() -> bytes:
    """A GIF of 1 pixel, on a canvas of 300 megapixels."""
    data = saved(Image.new("P", (1, 1)), "GIF")
    canvas = (20_000).to_bytes(2, "little") + (15_000).to_bytes(2, "little")
    return data[:6] + canvas + data[10:]


@pytest.fixture
def case(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def write(name: str, data: bytes) -> Path:
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


Case = Callable[[str, bytes], Path]


@pytest.mark.parametrize("level", [0, 255])
def test_mask_in_alpha_is_its_disc(case: Case, level: int, painting: Path) -> None:
    path = case("m.png", saved(disc(level), "PNG"))
    (region,) = Run.prepare(PHOTO, painting, mask=path, **SMALL).inputs.regions
    inside = torch.from_numpy(np.array(disc(level).getchannel("A")) > 0)
    assert torch.equal(region.weights[0, 0] == 1, inside)
    keep = Run.prepare(PHOTO, painting, keep=path, **SMALL).inputs.pictures.keep
    assert keep is not None
    assert torch.equal(keep.pixels[0] == 1, inside.expand(3, -1, -1))
    assert torch.equal(keep.pixels[0] == 0, ~inside.expand(3, -1, -1))


@pytest.mark.parametrize(
    ("make", "shares"),
    [
        (labels, {"#020202": 50 / 192, "#010101": 50 / 192, "#000000": 92 / 192}),
        (
            with_small_region,
            {"#ffffff": 92 / 192, "#ff0000": 0.0118, "#000000": 100 / 192 - 0.0118},
        ),
    ],
)
def test_mask_of_three_regions_has_three(
    case: Case, make: Callable[[], Image.Image], shares: dict[str, float], painting: Path
) -> None:
    path, paintings = case("m.png", saved(make(), "PNG")), [painting] * 3
    regions = Run.prepare(PHOTO, *paintings, mask=path, **SMALL).inputs.regions
    found = {region.name: float(region.weights.mean()) for region in regions}
    assert found == pytest.approx(shares, abs=1e-4)  # of a hundredth of a percent, as given


def as_levels(picture: Picture) -> Any:
    return (picture.pixels[0].permute(1, 2, 0) * 255).round().byte().numpy()


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("page.tif", with_a_thumbnail),
        ("profile.png", with_a_long_profile),
        ("linear.png", linear),
    ],
)
def test_photograph_is_read_as_it_is(
    case: Case, name: str, make: Callable[[], bytes], painting: Path
) -> None:
    run = Run.prepare(case(name, make()), painting, **SMALL)
    assert run.inputs.pictures.content is not None
    assert np.array_equal(as_levels(run.inputs.pictures.content), LEVELS)


@pytest.mark.parametrize(
    ("name", "make", "why"),
    [
        ("DSC_0001.NEF", with_a_thumbnail, "raw file"),
        ("zero.png", with_its_second_half_zero, "is damaged"),
        ("cut.jpg", cut_and_closed, "is damaged"),
        ("huge.gif", huge, "20000 x 15000 px"),
    ],
)
def test_file_is_refused_in_one_line(
    case: Case, command: Command, name: str, make: Callable[[], bytes], why: str, painting: Path
) -> None:
    path = case(name, make())
    for words in ((path, painting), (painting, path)):
        outcome = command("stylize", *words, "-o", path.parent / "out.png", "--memory", "2GB")
        (line,) = outcome.err.splitlines()
        assert outcome.code == 2
        assert why in line
        assert repr(str(path)) in line


@pytest.mark.parametrize("format", ["GIF", "WEBP"])
def test_transparent_animation_keeps_its_alpha(case: Case, format: str, painting: Path) -> None:
    first, *others = sprites()
    data = saved(first, format, save_all=True, append_images=others, disposal=2, lossless=True)
    path = case(f"sprite.{format.lower()}", data)
    with read_frames(path) as (count, found):
        assert count == 4
        for frame, wanted in zip(found, sprites(), strict=True):
            assert frame.alpha is not None
            shown = torch.from_numpy(np.array(wanted.getchannel("A"))) / 255
            assert torch.equal(frame.alpha[0, 0], shown)
    result = vangram.stylize(path, painting, **SMALL | {"size": 128})
    assert result.alpha is not None
    shown = torch.from_numpy(np.array(first.getchannel("A"))) / 255
    assert torch.equal(result.alpha[0, 0], shown)


def test_default_picture_of_an_apng_is_no_frame(case: Case) -> None:
    frames = [(np.array(frame), 0, 0, 0, 0) for frame in sprites()[:3]]
    default = np.full_like(frames[0][0], 255)
    path = case("a.png", apng((96, 128), frames, default=default))
    with read_frames(path) as (count, found):
        assert count == 3
        for frame, (wanted, *_) in zip(found, frames, strict=True):
            assert np.array_equal(as_levels(frame), wanted[..., :3])


def test_alpha_of_a_deep_tiff_is_its_second_extra_sample(case: Case, painting: Path) -> None:
    tifffile, file = pytest.importorskip("tifffile"), io.BytesIO()
    alpha = np.linspace(0, 65535, 192).astype(np.uint16)[None, :, None].repeat(128, 0)
    values = np.concatenate((LEVELS.astype(np.uint16) * 257, alpha // 3, alpha), 2)
    tifffile.imwrite(file, values, photometric="rgb", extrasamples=["unspecified", "unassalpha"])
    run = Run.prepare(case("p.tif", file.getvalue()), painting, **SMALL)
    content, shown = run.inputs.pictures.content, torch.from_numpy(alpha[..., 0] / 65535)
    assert content is not None
    assert np.array_equal(as_levels(content)[:, 1:], LEVELS[:, 1:])  # the first column is hidden
    assert content.alpha is not None
    assert torch.equal(content.alpha[0, 0], shown.float())
