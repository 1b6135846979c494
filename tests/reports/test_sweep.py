"""A sweep: which combinations there are, the page and the picture of all, and going on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.cli.test_commands import assert_refused
from tests.conftest import Outcome
from tests.reports.test_study import Page, pictures
from tests.support import accompanied_by, descending
from vangram.cli.pages import parts_of
from vangram.errors import SettingError
from vangram.images import read_recipe, write_picture, write_sheet
from vangram.reports.sweep import LARGEST, Varied, cells
from vangram.settings.presets import preset
from vangram.settings.recipe import Recipe
from vangram.settings.record import Record

Command = Callable[..., Outcome]
TINY = ("--size", 48, "--steps", 1)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("style-weight=10,40", Varied("style-weight", ("10", "40"))),
        ("--style_weight = 10, 40 ,40,", Varied("style-weight", ("10", "40"))),
        ("style-layers=a=1,b;c", Varied("style-layers", ("a=1,b", "c"))),
    ],
)
def test_varied_is_read_as_people_write_it(text: str, wanted: Varied) -> None:
    assert Varied.parse(text) == wanted


@pytest.mark.parametrize("text", ["", "seed", "seed=", "=1,2", "seed=,"])
def test_varied_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="style-weight=10,40,150"):
        Varied.parse(text)


def test_cells_are_every_combination_the_last_changing_first() -> None:
    found = cells([Varied("a", ("1", "2")), Varied("b", ("x", "y"))])
    assert [tuple(cell.values()) for cell in found] == [
        ("1", "x"), ("1", "y"), ("2", "x"), ("2", "y"),
    ]  # fmt: skip


def test_cells_that_are_too_many_are_refused() -> None:
    many = tuple(map(str, range(LARGEST)))
    with pytest.raises(SettingError, match="at most"):
        cells([Varied("a", many), Varied("b", many), Varied("c", many), Varied("d", many)])


@pytest.fixture
def swept(command: Command, photo: Path, painting: Path, tmp_path: Path) -> Callable[..., Path]:
    """Make a sweep; its page."""

    def sweep(*words: object) -> Path:
        page = tmp_path / "sweep.html"
        outcome = command("sweep", photo, painting, "-o", page, "--quiet", *TINY, *words)
        assert outcome == Outcome(0, f"{page}\n", "")
        return page

    return sweep


def recipes(page: Path, tmp_path: Path) -> list[Recipe]:
    """Of the pictures on a page, the two given ones aside."""
    found = []
    for content in list(pictures(page))[2:]:
        (tmp_path / "picture.png").write_bytes(content)
        text = read_recipe(tmp_path / "picture.png")
        assert text is not None
        found.append(Record.from_json(text).recipe)
    return found


def test_sweep_makes_every_combination(swept: Callable[..., Path], tmp_path: Path) -> None:
    page = swept("--vary", "strength=0.5,2", "--vary", "pooling=max,average", "--tile", 64)
    wanted = [
        Recipe(size=48, steps=1, tile=64, pooling=pooling).strengthened(strength)
        for strength in (0.5, 2.0)
        for pooling in ("max", "average")
    ]
    assert recipes(page, tmp_path) == wanted
    assert not parts_of(page).exists()


def test_sweep_varies_presets_layers_and_switches(
    swept: Callable[..., Path], tmp_path: Path
) -> None:
    layers = "style-layers=relu1_1,relu2_1;relu2_1=0.5"
    page = swept("--vary", "preset=balanced,bold", "--vary", layers, "--vary", "normalise=no,yes")
    found = recipes(page, tmp_path)
    assert len(set(map(str, found))) == 8
    assert {recipe.style_weight for recipe in found} == {40.0, preset("bold").style_weight}
    assert found[0].style_layers == {"relu1_1": 0.5, "relu2_1": 0.5}
    assert [recipe.normalise for recipe in found] == [False, True] * 4
    titles = Page(page.read_text()).titles
    assert titles == ["preset balanced", "preset bold"]


def test_sweep_page_stands_alone_and_tells_each_command(swept: Callable[..., Path]) -> None:
    text = swept("--vary", "seed=1,2", "--init", "noise").read_text()
    shown = Page(text)
    assert not shown.fetched
    assert "script" not in shown.tags
    assert "--seed 2" in text
    assert text.count("vangram stylize") == 2


def test_sweep_tells_a_setting_without_effect_on_any_picture(
    command: Command, photo: Path, painting: Path, tmp_path: Path
) -> None:
    words = ("sweep", photo, painting, "-o", tmp_path / "sweep.html", "--quiet", *TINY)
    told = command(*words, "--vary", "seed=1,2", "--noise-range", 0.5).err
    assert told.splitlines() == [
        "vangram: note: noise_range has no effect: the first image is not noise",
        "vangram: note: seed has no effect: the first image is not noise",
    ]
    some = command(*words, "--force", "--vary", "init=content,noise", "--noise-range", 0.5)
    assert some.err == ""


def test_sweep_stopped_goes_on_with_what_is_missing(
    command: Command, photo: Path, painting: Path, tmp_path: Path
) -> None:
    page = tmp_path / "sweep.html"
    words = ("sweep", photo, painting, "-o", page, *TINY, "--vary", "seed=1,2,3")
    steps: list[None] = []

    def count() -> None:
        steps.append(None)
        if len(steps) == 3:
            raise KeyboardInterrupt

    with descending(accompanied_by(count)):
        outcome = command(*words)
        assert outcome.code == 130
        assert "the same command goes on" in outcome.err
        assert len(list(parts_of(page).glob("*.json"))) == 2
        assert command(*words).code == 0
    assert len(steps) == 4  # one for each picture, that of the third one twice


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--vary"),
        (["--vary", "seed"], "seed"),
        (["--vary", "hue=red"], "'hue' cannot be varied"),
        (["--vary", "output=a,b"], "'output' cannot be varied"),
        (["--vary", "seed=1", "--vary", "seed=2"], "varied twice"),
        (["--vary", "seed=1,two"], "seed two: seed needs a whole number from 0"),
        (["--vary", "seed=-1"], "seed"),
        (["--vary", "normalise=maybe"], "needs true or false, not 'maybe'"),
        (["--vary", "preset=bold,baroque"], "baroque"),
        (["--vary", "strength=1,2", "--style-weight", "3"], "not both"),
        (["--vary", "size=48,20"], "too small"),
        (["--vary", "network=vgg20"], "vgg20"),
        (["--vary", "seed=1", "-o", "page.pdf"], ".html"),
        (["--vary", "seed=1", "-o", "taken.html"], "'taken.png' exists already"),
    ],
)
def test_sweep_that_cannot_be_is_refused_before_work(
    command: Command, photo: Path, painting: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, words: list[str], said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("taken.png").write_bytes(b"precious")
    before = set(tmp_path.iterdir())
    assert_refused(command("sweep", photo, painting, "-o", "page.html", *TINY, *words), said)
    assert set(tmp_path.iterdir()) == before


def box_of(image: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    rows, columns = (
        (pixels.view(image.height, image.width, 3) == torch.tensor(colour)).all(2).nonzero().T
    )
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def darkest(image: Image.Image) -> int:
    return min(image.convert("L").tobytes())


@pytest.fixture
def sheet(tmp_path: Path) -> Callable[..., Image.Image]:
    def write(columns: list[str]) -> Image.Image:
        files = []
        for number, colour in enumerate([(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]):
            files.append(tmp_path / f"{number}.png")
            write_picture(files[-1], torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, 20, 40))
        write_sheet(tmp_path / "sheet.png", [("below", files[:2]), ("", files[2:])], columns)
        with Image.open(tmp_path / "sheet.png") as image:
            return image.convert("RGB")

    return write


def test_sheet_has_each_picture_in_its_place_under_its_label(
    sheet: Callable[..., Image.Image],
) -> None:
    image = sheet(["one", "two"])
    red, green, blue = (box_of(image, c) for c in ((255, 0, 0), (0, 255, 0), (0, 0, 255)))
    assert (red[2] - red[0], red[3] - red[1]) == (40, 20)
    assert red[1] == green[1] < blue[1]
    assert red[0] == blue[0] < green[0]
    assert darkest(image.crop((red[0], 0, red[2], red[1]))) < 128  # there are letters
    assert darkest(image.crop((green[0], 0, green[2], red[1]))) < 128
    assert darkest(image.crop((0, red[1], red[0], image.height))) < 128


def test_sheet_makes_room_for_long_labels(sheet: Callable[..., Image.Image]) -> None:
    image = sheet(["as long as a sentence", "two"])
    red, green = box_of(image, (255, 0, 0)), box_of(image, (0, 255, 0))
    assert darkest(image.crop((green[0] - 6, 0, green[0], red[1]))) == 255
    assert green[0] - red[2] > 40
