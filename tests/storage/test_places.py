"""Places of files: another program's file is kept, one's own is overwritten."""

from __future__ import annotations

from pathlib import Path

from vangram.storage.files import replacing
from vangram.storage.places import Place


def write(path: Path, overwrite: bool) -> None:
    with replacing(path, overwrite=overwrite) as handle:
        handle.write(b"ours")


def test_place_is_free_and_then_ones_own(tmp_path: Path) -> None:
    place = Place(tmp_path / "cat.png")
    assert [place.write(write) for _ in range(2)] == [tmp_path / "cat.png"] * 2


def test_file_that_appears_is_kept_and_a_free_name_taken(tmp_path: Path) -> None:
    place = Place(tmp_path / "cat.png")
    for name in ("cat.png", "cat-2.png"):
        (tmp_path / name).write_bytes(b"precious")
    assert [place.write(write) for _ in range(2)] == [tmp_path / "cat-3.png"] * 2
    assert {path.read_bytes() for path in tmp_path.glob("cat*")} == {b"precious", b"ours"}
    assert Place(tmp_path / "cat.png", force=True).write(write) == tmp_path / "cat.png"


def test_accepted_file_is_overwritten_unless_another_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(b"so far")
    place = Place(path)
    place.accept()
    assert place.write(write) == path
    (tmp_path / "other").write_bytes(b"precious")
    (tmp_path / "other").replace(path)
    assert place.write(write) == tmp_path / "cat-2.png"
    assert path.read_bytes() == b"precious"
