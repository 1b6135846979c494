"""Which photograph goes with which painting: folders, patterns, tables, and names that differ."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vangram.batch import Pair, crossed, photographs, read_pairs
from vangram.errors import InputError, OutputError, PictureError, SettingError
from vangram.film.footage import in_order


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "more.jpg").mkdir(parents=True)
    for name in ("b.jpg", "a.PNG", ".hidden.jpg", "notes.txt", "c.webp"):
        (folder / name).write_bytes(b"x")
    return folder


def test_folder_stands_for_the_pictures_right_in_it(folder: Path) -> None:
    assert [Path(path).name for path in photographs([str(folder)])[0]] == [
        "a.PNG",
        "b.jpg",
        "c.webp",
    ]


def test_photographs_named_twice_count_once(folder: Path) -> None:
    given = [str(folder / "b.jpg"), str(folder), str(folder / "b*")]
    assert [Path(path).name for path in photographs(given)[0]] == ["b.jpg", "a.PNG", "c.webp"]


@pytest.mark.parametrize("name", ["", "missing", "missing*.jpg", "photos/more.jpg"])
def test_photographs_that_are_none_are_refused(folder: Path, name: str) -> None:
    with pytest.raises(PictureError):
        photographs([str(folder.parent / name)])


def test_files_left_out_of_a_folder_are_told_with_the_reason(folder: Path) -> None:
    for number in range(7):
        (folder / f"{number}.xmp").write_bytes(b"x")
    (folder / "d.NEF").write_bytes(b"x")
    (folder / "e.avif").write_bytes(b"x")
    found, (note,) = photographs([str(folder)])
    assert [Path(path).suffix for path in found] == [".PNG", ".jpg", ".webp", ".avif"]
    assert note.startswith(f"left out of {str(folder)!r}: no pictures by their names: '0.xmp'")
    assert note.endswith("'4.xmp', 3 more; cameras' raw files: 'd.NEF'")
    (folder / "only").mkdir()
    (folder / "only" / "f.cr2").write_bytes(b"x")
    with pytest.raises(PictureError, match=r"has no pictures .*\(cameras' raw files: 'f\.cr2'\)"):
        photographs([str(folder / "only")])


def test_pattern_in_a_folder_with_brackets_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "br [2019]" / "a*b"
    folder.mkdir(parents=True)
    for name in ("a.png", "b.png", "c.jpg", "[a].png"):
        (folder / name).write_bytes(b"x")
    for pattern, names in {
        "br [2019]/a*b/*.png": ["[a].png", "a.png", "b.png"],
        "br [[]2019]/*/[ab].png": ["a.png", "b.png"],
        "br */a*b/[[]a].png": ["[a].png"],
        "*/*/*.jpg": ["c.jpg"],
    }.items():
        found, _ = photographs([str(tmp_path / pattern)])
        assert [Path(path).name for path in found] == names, pattern


def test_frames_are_in_the_order_of_their_numbers_whatever_their_digits() -> None:
    names = ["f10.png", "f9.png", "f009.png", "①.png", "f.png", "٣.png", "f1b2.png", "2.png"]
    wanted = ["2.png", "f.png", "f1b2.png", "f009.png", "f9.png", "f10.png", "٣.png", "①.png"]
    assert in_order(names) == wanted
    assert in_order(names[::-1]) == wanted


def test_each_photograph_goes_with_every_painting(folder: Path) -> None:
    photos, paintings = [str(folder / "a.PNG"), str(folder / "b.jpg")], [str(folder / "c.webp")]
    assert crossed(photos, paintings, "jpg") == (
        Pair(photos[0], paintings[0], "a-c.jpg"),
        Pair(photos[1], paintings[0], "b-c.jpg"),
    )


def test_two_pictures_of_one_name_are_refused_whatever_the_capitals(folder: Path) -> None:
    (folder / "B.png").write_bytes(b"x")
    with pytest.raises(OutputError, match=r"'b-c\.png' would be two pictures.*--pairs"):
        crossed([str(folder / "B.png"), str(folder / "b.jpg")], [str(folder / "c.webp")], "png")


@pytest.fixture
def table(folder: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        (folder / "pairs.csv").write_text(text, encoding="utf-8")
        return str(folder / "pairs.csv")

    return write


def test_table_is_read_with_paths_beside_it(folder: Path, table: Callable[[str], str]) -> None:
    text = "\ufeffPhoto, painting ,output,note\nb.jpg,c.webp,,x\n\n"
    text += "b.jpg,a.PNG,new\nb.jpg,c.webp,n.tif\n"
    assert [pair.name for pair in read_pairs(table(text), "jpg")] == ["b-c.jpg", "new.jpg", "n.tif"]
    assert read_pairs(table(text), "jpg")[0].photo == str(folder / "b.jpg")


def test_table_may_have_semicolons(table: Callable[[str], str]) -> None:
    assert read_pairs(table("photo;painting\nb.jpg;c.webp\n"), "png")[0].name == "b-c.png"


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("", SettingError, "no column 'photo'"),
        ("photo,style\nb.jpg,c.webp\n", SettingError, "no column 'painting'"),
        ("photo,painting\n", SettingError, "no pairs"),
        ("photo,painting\nb.jpg\n", SettingError, "line 2, has no painting"),
        ("photo,painting\nb.jpg,z.jpg\n", PictureError, "z.jpg"),
        ("photo,painting,output\nb.jpg,c.webp,../n.png\n", OutputError, "no plain name"),
        ("photo,painting\nb.jpg,c.webp\nb.jpg,c.webp\n", OutputError, "two pictures"),
        ('photo,painting\n"b.jpg,c.webp\n', SettingError, "cannot be read as a table"),
    ],
)
def test_table_that_cannot_be_used_is_refused_on_one_line(
    table: Callable[[str], str], text: str, kind: type[InputError], said: str
) -> None:
    with pytest.raises(kind) as refused:
        read_pairs(table(text), "png")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_table_that_is_no_text_is_refused(folder: Path) -> None:
    (folder / "pairs.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("pairs.csv", "missing.csv"):
        with pytest.raises(SettingError, match="CSV in UTF-8"):
            read_pairs(str(folder / name), "png")
