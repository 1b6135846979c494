"""Which of the photograph's metadata and paths go into a result, and that `rerun` still works."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Outcome
from vangram.images import read_recipe
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe
from vangram.settings.record import Input, Record

Command = Callable[..., Outcome]
TINY = ("--size", 48, "--steps", 1, "-q")
GPS = 34853


@pytest.fixture
def located(saved: Callable[..., Path], tmp_path: Path) -> Path:
    """A photograph that knows where it was taken, in a folder of its own."""
    (tmp_path / "private").mkdir()
    path = saved("private/p.png", 36, 48, seed=1)
    exif = Image.Exif()
    exif[271], exif[GPS] = "Maker", {1: "N"}
    Image.open(path).save(path, exif=exif.tobytes())
    return path


def gps_of(path: Path) -> dict[int, object]:
    with Image.open(path) as image:
        assert image.getexif()[271] == "Maker"
        return dict(image.getexif().get_ifd(GPS))


def paths_in(path: Path) -> set[str]:
    text = read_recipe(path)
    assert text is not None
    return {given.path for given in Record.from_json(text).inputs}


@pytest.mark.parametrize("name", ["p.jpg", "p.png", "p.webp", "p.tif"])
def test_place_and_full_paths_are_left_out_unless_asked_for(
    name: str, command: Command, located: Path, painting: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    output = tmp_path / "out" / name
    words = ("stylize", located, painting, "-o", output, *TINY)
    assert command(*words).code == 0
    assert gps_of(output) == {}
    assert paths_in(output) == {"../private/p.png", "../painting.png"}
    assert str(tmp_path).encode() not in output.read_bytes()
    assert command(*words, "--force", "--keep-metadata").code == 0
    assert gps_of(output) == {1: "N"}
    assert paths_in(output) == {str(located), str(painting)}


@pytest.mark.parametrize("more", [(), ("--keep-metadata",)])
def test_rerun_finds_inputs_from_the_picture_and_makes_the_same_bytes(
    more: tuple[str, ...], command: Command, located: Path, painting: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    output, again = tmp_path / "out" / "a.png", tmp_path / "again.png"
    assert command("stylize", located, painting, "-o", output, *TINY, *more).code == 0
    outcome = command("rerun", output, "-o", again)
    assert outcome.code == 0, outcome.err
    assert "the same bytes" in outcome.err


def test_rerun_takes_the_file_with_the_recorded_checksum(
    command: Command, located: Path, painting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    output = tmp_path / "private" / "a.png"
    assert command("stylize", located, painting, "-o", output, *TINY).code == 0
    monkeypatch.chdir(tmp_path / "elsewhere" / "deep")
    Image.new("RGB", (48, 36)).save("p.png")  # of the recorded name, and another picture
    outcome = command("rerun", output, "-o", tmp_path / "again.png")
    assert outcome.code == 0, outcome.err
    assert "the same bytes" in outcome.err


def test_batch_keeps_metadata_where_asked(
    command: Command, located: Path, painting: Path, tmp_path: Path
) -> None:
    words = ("batch", located, painting, "-o", tmp_path / "out", *TINY)
    assert command(*words).code == 0
    assert gps_of(tmp_path / "out" / "p-painting.png") == {}
    (tmp_path / "out" / "p-painting.png").unlink()
    assert command(*words, "--keep-metadata").code == 0
    assert gps_of(tmp_path / "out" / "p-painting.png") == {1: "N"}


@pytest.mark.skipif(os.name != "posix", reason="paths as POSIX has them")
@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("relative/p.png", "relative/p.png"),
        ("/home/ann/out/p.png", "p.png"),
        ("/home/ann/pictures/p.png", "../pictures/p.png"),
        ("/home/bob/p.png", "p.png"),
        ("/media/disk/p.png", "p.png"),
    ],
)
def test_published_paths_do_not_name_the_home_folder(
    path: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    given = Input(path, "0" * 64)
    record = Record(
        recipe=Recipe(),
        inputs=Inputs(content=given, styles=(given,)),
        network_sha256="",
        versions={},
    )
    found = record.published("/home/ann/out/a.png")
    assert {each.path for each in found.inputs} == {shown}
    assert "keep_metadata" not in json.loads(found.to_json())
