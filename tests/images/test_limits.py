"""Limits: memory per pixel as it is measured, sizes checked before decoding, smaller JPEGs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from tests.images.files import levels, png
from vangram.errors import SizeError
from vangram.images import largest_within, read_picture, resize
from vangram.images.picture import MAX_PIXELS, READING_BYTES

SIDE = 2000
PIXELS = SIDE * SIDE
OVERHEAD = 30 * 2**20
"""Bytes: a band of rows in float64 while colours are converted, and the allocator's own."""

MEASURE = """
import os, sys
from pathlib import Path
from vangram.images import read_picture

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

small, *paths = sys.argv[1:]
read_picture(small)
for path in paths:  # each in a process that has freed nothing yet
    if os.fork() == 0:
        Path("/proc/self/clear_refs").write_text("5")
        before = peak()
        read_picture(path)
        print(Path(path).name, peak() - before, flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux measures this")
def test_reading_takes_no_more_than_its_bytes_per_pixel(tmp_path: Path) -> None:
    stored = levels(SIDE // 8, SIDE // 8, 4).repeat(8, 0).repeat(8, 1)
    colours, alpha = Image.fromarray(stored[..., :3]), Image.fromarray(stored)
    turned = Image.Exif()
    turned[274] = 6
    colours.save(tmp_path / "small.png")
    colours.save(tmp_path / "turned.jpg", exif=turned)
    colours.save(tmp_path / "progressive.jpg", progressive=True)
    alpha.save(tmp_path / "lossless.webp", lossless=True, method=0)
    alpha.save(tmp_path / "alpha.png", compress_level=1)
    alpha.save(tmp_path / "alpha.tif")
    colours.save(tmp_path / "colours.bmp")
    colours.save(tmp_path / "colours.avif", speed=10)
    (tmp_path / "deep.png").write_bytes(png(stored.astype(np.uint16) * 257))
    colours.resize((16, 16)).save(tmp_path / "small.png")
    paths = sorted(set(tmp_path.iterdir()) - {tmp_path / "small.png"})
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path / "small.png", *paths],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    peaks = {name: int(peak) for name, peak in map(str.split, done.stdout.splitlines())}
    assert len(peaks) == 8
    for name, peak in peaks.items():
        assert peak < READING_BYTES * PIXELS + OVERHEAD, name
        assert peak > 12 * PIXELS, name  # the pixels themselves, so that something was measured


def test_limit_follows_the_memory() -> None:
    assert largest_within(10**9) == 10**9 // READING_BYTES
    assert largest_within(10**12) == MAX_PIXELS
    assert 0 < largest_within() <= MAX_PIXELS


@pytest.mark.parametrize("name", ["p.png", "p.webp", "p.tif", "p.bmp", "p.gif", "p.avif", "p.jpg"])
def test_picture_beyond_the_limit_is_refused_before_it_is_decoded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (80, 60)).save(tmp_path / name)
    assert read_picture(tmp_path / name, largest=9600).size == (60, 80)

    def decoded(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decoded)
    with pytest.raises(SizeError, match=r"80 x 60 px, more than the limit of \d+ px; .* memory"):
        read_picture(tmp_path / name, largest=4799)


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_beyond_the_limit_is_read_at_a_smaller_size_that_suffices(
    progressive: bool, tmp_path: Path
) -> None:
    smooth = np.linspace(0, 255, 640).astype(np.uint8)[None, :, None].repeat(480, 0).repeat(3, 2)
    Image.fromarray(smooth).save(tmp_path / "p.jpg", quality=95, progressive=progressive)
    whole = read_picture(tmp_path / "p.jpg", wanted=100)
    assert whole.size == (480, 640)
    assert whole.notes == ()
    found = read_picture(tmp_path / "p.jpg", largest=100_000, wanted=200)
    assert found.size == (240, 320)
    assert "640 x 480 px are more than the memory allows, it is read at 320 x 240" in found.notes[0]
    # As if it had been read whole and made smaller, but for the filter.
    assert float((found.pixels - resize(whole.pixels, (240, 320))).abs().max()) < 3 / 255
    assert read_picture(tmp_path / "p.jpg", largest=20_000, wanted=80).size == (120, 160)
    for wanted in (161, None):
        with pytest.raises(SizeError, match="limit of 20000"):
            read_picture(tmp_path / "p.jpg", largest=20_000, wanted=wanted)


def test_size_within_the_limit_changes_nothing(tmp_path: Path) -> None:
    Image.fromarray(levels(64, 48, 3)).save(tmp_path / "p.jpg")
    plain = read_picture(tmp_path / "p.jpg").pixels
    assert torch.equal(read_picture(tmp_path / "p.jpg", largest=64 * 48, wanted=8).pixels, plain)
