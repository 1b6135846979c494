"""The study: every figure is there, the page stands alone, and a stopped one goes on."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from itertools import takewhile
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Outcome
from vangram.cli.pages import parts_of
from vangram.errors import InputError
from vangram.images import read_recipe
from vangram.reports.page import loss_curve, report
from vangram.reports.study import prepare
from vangram.settings.recipe import Recipe
from vangram.settings.record import Record

Command = Callable[..., Outcome]
TINY = Recipe(size=48, steps=1)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)


class Page(HTMLParser):
    """What a page shows and what it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.images: list[str] = []
        self.titles: list[str] = []
        self.curves: list[str] = []
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attributes)
        for name in ("src", "href", "data", "action", "poster", "srcset"):
            address = values.get(name)
            if address is not None and not address.startswith("data:"):
                self.fetched.append(address)
        if tag == "img":
            self.images.append(values["src"] or "")
        if tag == "polyline":
            self.curves.append(values["points"] or "")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "h2" and data.strip():
            self.titles.append(data)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with two paintings, as its page."""
    from tests.support import drawn

    folder = tmp_path_factory.mktemp("study")
    paths = []
    for name, size, seed in (("photo", (36, 48), 1), ("one", (48, 40), 2), ("two", (40, 40), 3)):
        levels = drawn(*size, seed).mul(255).round().byte().permute(1, 2, 0).contiguous()
        paths.append(str(folder / f"{name}.png"))
        Image.fromarray(levels.numpy()).save(paths[-1])
    study = prepare(paths[0], paths[1:], TINY)
    for _ in study.make(folder / "parts"):
        pass
    page = folder / "page.html"
    page.write_text(report(study, folder / "parts"), encoding="utf-8")
    return page


def pictures(page: Path) -> Iterator[bytes]:
    for source in Page(page.read_text(encoding="utf-8")).images:
        yield base64.b64decode(source.removeprefix("data:image/png;base64,"))


def test_page_has_every_figure_of_the_paper(page: Path) -> None:
    shown = Page(page.read_text(encoding="utf-8"))
    assert len(shown.titles) == 7  # reconstructions, two textures, transfers, grid, content, starts
    figures = 5 + 2 * 5 + 2 + 5 * 4 + 2 + 4
    assert len(shown.curves) == figures
    assert len(shown.images) == 3 + figures


def test_every_picture_is_whole_and_carries_its_recipe(page: Path, tmp_path: Path) -> None:
    kinds = set()
    for index, content in enumerate(pictures(page)):
        image = Image.open(io.BytesIO(content))
        image.load()
        assert max(image.size) == 48
        if index >= 3:
            (tmp_path / "picture.png").write_bytes(content)
            text = read_recipe(tmp_path / "picture.png")
            assert text is not None
            names = [str(name) for name, _ in Record.from_json(text).inputs.named()]
            kinds.add(tuple(names))
    assert kinds == {("content",), ("style",), ("content", "style"), ("content", "style", "start")}


def test_page_fetches_nothing_and_runs_nothing(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    shown = Page(text)
    assert not shown.fetched
    assert "script" not in shown.tags
    assert "link" not in shown.tags
    assert not re.search(r"url\(|@import", text)
    assert "default-src 'none'" in text


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to open the page in")
def test_page_opens_in_chromium_without_a_request(page: Path, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    log, shot = tmp_path / "net.json", tmp_path / "shot.png"
    subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={tmp_path}/profile", f"--log-net-log={log}",
            "--window-size=1000,3000", f"--screenshot={shot}", page.as_uri(),
        ],
        check=True, timeout=120, capture_output=True,
    )  # fmt: skip
    # A browser that ends may leave the log without its last bracket.
    addresses = set(re.findall(r'"url":"([^"]{1,200})', log.read_text(encoding="utf-8")))
    outside = {a for a in addresses if not a.startswith(("file:", "data:", "chrome", "devtools:"))}
    assert not {address for address in outside if "google" not in address}  # the browser's own
    with Image.open(shot) as picture:
        # Text alone has the greys between black and white.
        colours = picture.convert("RGB").getcolors(maxcolors=10_000_000)
    assert colours is not None
    assert len(colours) > 5000


def test_stopped_study_makes_only_what_is_missing(
    photo: Path, painting: Path, tmp_path: Path
) -> None:
    study = prepare(str(photo), [str(painting)], TINY)
    begun = study.make(tmp_path)
    made = [at.made for at in takewhile(lambda at: at.made < 4 or at.done < 1, begun)][-1]
    assert made < 10
    before = {path: path.read_bytes() for path in tmp_path.glob("*.json")}
    assert len(before) >= 3
    again = prepare(str(photo), [str(painting)], TINY)
    steps = list(again.make(tmp_path))
    assert steps[-1].made == steps[-1].of
    assert len([at for at in steps if at.done == 0]) == steps[-1].of - len(before)
    for path, content in before.items():
        assert path.read_bytes() == content


def test_half_written_picture_is_made_again(photo: Path, painting: Path, tmp_path: Path) -> None:
    study = prepare(str(photo), [str(painting)], TINY)
    first = study.sections[0].figures[0]
    for at in study.make(tmp_path):
        if at.made == 1:
            break
    made = study.made(first, tmp_path)
    assert made is not None
    values = json.loads(made.picture.with_suffix(".json").read_text())
    made.picture.with_suffix(".json").write_text(json.dumps(values)[:-9])
    assert study.made(first, tmp_path) is None


def test_another_photograph_of_the_same_name_is_another_picture(
    photo: Path, painting: Path, saved: Callable[..., Path]
) -> None:
    one = prepare(str(photo), [str(painting)], TINY)
    saved("photo.png", 48, 64, seed=9)
    two = prepare(str(photo), [str(painting)], TINY)
    figure = one.sections[0].figures[0]
    assert figure == two.sections[0].figures[0]
    assert one.key(figure) != two.key(figure)


def test_command_writes_the_page_and_takes_its_parts_away(
    command: Command, photo: Path, painting: Path, tmp_path: Path
) -> None:
    output = tmp_path / "page.html"
    outcome = command("study", photo, painting, "-o", output, "--size", 48, "--steps", 1)
    assert outcome.code == 0, outcome.err
    assert outcome.out == f"{output}\n"
    assert "34/34" in outcome.err
    assert not parts_of(output).exists()
    text = output.read_text(encoding="utf-8")
    assert f"vangram reconstruct {photo}" in text
    outcome = command("study", photo, painting, "-o", output, "--size", 48, "--steps", 1)
    assert outcome.code == 2
    assert "--force" in outcome.err


@pytest.mark.parametrize(
    "words",
    [
        ("-o", "page.pdf"),
        ("-o", "page.html", "--size", 20),
        ("-o", "page.html", "--network", "vgg20"),
        ("-o", "page.html", "--steps", 0),
    ],
)
def test_command_refuses_in_one_line_before_work(
    command: Command, photo: Path, painting: Path, tmp_path: Path, words: tuple[object, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    outcome = command("study", photo, painting, *words)
    assert outcome.code == 2
    assert len(outcome.err.splitlines()) == 1
    assert not list(tmp_path.glob("page*"))


def test_study_without_paintings_is_refused(photo: Path) -> None:
    with pytest.raises(InputError, match="at least one painting"):
        prepare(str(photo), [], TINY)


def test_loss_curve_falls_from_the_top_to_the_bottom_of_its_box() -> None:
    points = [tuple(map(float, p.split(","))) for p in loss_curve([100.0, 10.0, 1.0]).split()]
    assert points == [(0.0, 0.0), (80.0, 24.0), (160.0, 48.0)]
    assert loss_curve([3.0, 3.0])  # no division by zero
