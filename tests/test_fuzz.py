"""A short run of `benchmarks.fuzz`, and that it would find what it looks for."""

from __future__ import annotations

import random
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import fuzz
from vangram.errors import PictureError
from vangram.images import read_picture


def test_mutated_pictures_are_read_or_refused() -> None:
    tally = fuzz.run(count=250, seed=1)
    assert not tally.failures
    totals = sum(tally.counts.values(), start=type(tally.counts["rgb.png"])())
    assert totals.total() == 250
    assert min(totals["read"], totals["note"], totals["refused"]) > 5


def test_mutated_files_of_other_kinds_are_read_or_refused() -> None:
    tally = fuzz.run(count=60, seed=1, make=fuzz.other_files)
    assert not tally.failures
    totals = sum(tally.counts.values(), start=Counter())
    assert totals.total() == 60
    assert min(totals["read"], totals["refused"]) > 5
    assert set(tally.counts) == {original.name for original in fuzz.other_files()}


def test_contents_that_are_not_what_is_pinned_are_found(tmp_path: Path) -> None:
    files = {original.name: original for original in fuzz.other_files()}
    for name in ("checkpoint", "shipped.safetensors"):
        original, path = files[name], tmp_path / "file"
        path.write_bytes(original.data)
        value = fuzz.value_of(original, path)
        assert fuzz.judge(original, path, value).kind == "read"
        assert fuzz.judge(original, path, "another").kind == "silent"
        path.write_bytes(original.data[:-1] + bytes([original.data[-1] ^ 1]))
        assert fuzz.judge(original, path, value).kind == "refused"
    mended = files["checkpoint"].kind
    assert mended is not None
    assert mended.mend is not None
    assert mended.mend(files["checkpoint"].data) == files["checkpoint"].data


def test_the_same_seed_gives_the_same_files() -> None:
    found = fuzz.originals()
    files = [fuzz.file_of(number, 0, found) for number in range(60)]
    assert files == [fuzz.file_of(number, 0, found) for number in range(60)]
    assert files != [fuzz.file_of(number, 1, found) for number in range(60)]
    assert len({original.name for original, _, _ in files}) == len(found)


def test_whole_files_are_read_as_they_are(tmp_path: Path) -> None:
    for original in fuzz.originals():
        path = tmp_path / original.name
        path.write_bytes(original.data)
        value = fuzz.value_of(original, path)
        assert fuzz.judge(original, path, value).kind in ("read", "note")


def judged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, read: Callable[..., Any]) -> str:
    original = next(each for each in fuzz.originals() if each.name == "rgb.png")
    path = tmp_path / "p.png"
    path.write_bytes(original.data)
    value = fuzz.value_of(original, path)
    with monkeypatch.context() as patched:
        patched.setattr(fuzz, "read_picture", read)
        return fuzz.judge(original, path, value).kind


def test_failures_are_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def raising(error: Exception) -> Callable[..., Any]:
        def read(*_: object, **__: object) -> None:
            raise error

        return read

    def darker(path: Path, **options: Any) -> Any:
        picture = read_picture(path, **options)
        picture.pixels[0, 0, 0, 0] /= 2
        return picture

    assert judged(monkeypatch, tmp_path, read_picture) == "read"
    assert judged(monkeypatch, tmp_path, raising(PictureError("damaged"))) == "refused"
    assert judged(monkeypatch, tmp_path, raising(PictureError("two\nlines"))) == "traceback"
    assert judged(monkeypatch, tmp_path, raising(PictureError("\x1b[2J"))) == "traceback"
    assert judged(monkeypatch, tmp_path, raising(KeyError("key"))) == "traceback"
    assert judged(monkeypatch, tmp_path, darker) == "silent"


def test_frame_that_is_missing_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    original = next(each for each in fuzz.originals() if each.name == "animated.png")
    path = tmp_path / "p.png"
    path.write_bytes(original.data)
    value = fuzz.value_of(original, path)
    told = replace(value[1], notes=("some are lost",))
    for frames, differs in ((value[1:-1], "frames are missing"), ([told, *value[2:-1]], "")):
        monkeypatch.setattr(fuzz, "value_of", lambda *_, frames=frames: [value[0], *frames])
        outcome = fuzz.judge(original, path, value)
        assert (outcome.words if outcome.kind == "silent" else "") == differs


def dies(*_: object) -> None:
    raise SystemExit(3)


def sleeps(*_: object) -> None:
    time.sleep(60)


@pytest.mark.parametrize(("work", "kind", "seconds"), [(dies, "crash", 60), (sleeps, "hang", 1)])
def test_crash_and_hang_end_the_worker_alone(
    work: Callable[..., None], kind: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz, "work", work)
    monkeypatch.setattr(fuzz, "STARTING", seconds)
    tally = fuzz.run(count=2, seed=0)
    assert [outcome.kind for _, _, outcome in tally.failures] == [kind, kind]


def test_mended_file_has_right_checksums() -> None:
    original = next(each for each in fuzz.originals() if each.name == "gamma.png")
    data = bytearray(original.data)
    assert fuzz._mended(bytes(data)) == original.data
    fuzz._flip_bits(data, random.Random(0))
    at = data.index(b"IDAT")
    data[at + 10] ^= 1
    mended = fuzz._mended(bytes(data))
    length = struct.unpack(">I", mended[at - 4 : at])[0]
    check = int.from_bytes(mended[at + 4 + length : at + 8 + length], "big")
    assert check == zlib.crc32(mended[at : at + 4 + length])
