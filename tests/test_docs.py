"""The documentation, where it can rot: names, commands, pictures, links, and that it builds."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from markdown_it import MarkdownIt
from markdown_it.token import Token
from typer.main import get_command

import vangram
from tests.support import nothing_made
from vangram import cli
from vangram.cli import film_runner
from vangram.cli.app import COMMANDS, app, load_command
from vangram.film.film import Film
from vangram.images import fit, read_recipe
from vangram.networks import load_network
from vangram.networks.registry import VGG19, VGG19_LITE
from vangram.networks.tiles import core_sides
from vangram.optimize import coarse_to_fine
from vangram.run.memory import InputMemory
from vangram.run.plan import plan_run
from vangram.settings.recipe import Recipe
from vangram.settings.record import Record

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PACKAGE = ROOT / "src" / "vangram"
BESIDE = ("benchmarks/README.md", "examples/README.md", "training/MODEL_CARD.md")
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / name for name in BESIDE)])
GIVEN = {
    "rocket.jpg",
    "rocket-sky.png",
    "chelsea.jpg",
    "chelsea-pan.webp",
    "curl-field.jpg",
    "espresso.jpg",
    "stained-glass.jpg",
}
"""Pictures that go in, small."""
IN_THE_README = {"chelsea-curl-field.jpg", "espresso-stained-glass.jpg"}
"""Made with the defaults, and saved without their recipes."""
MAKES = ("stylize", "reconstruct", "texture", "film")
LARGEST = 100_000
"""Bytes of a picture that the documentation adds, as CONTRIBUTING has it."""
AMERICAN = re.compile(
    r"\b(?:gray|(?i:color|center|behavior|neighbor"  # Gray is an author
    r"|(?:optim|normal|initial|minim|maxim|recogn|synthes|quant|visual|summar|penal)iz))\w*"
)
NAMES = (
    "Preserving Color in Neural Artistic",
    "Numerical Optimization",
    "ColorSpace",
    "--optimizer",
)
"""Titles, a tag of EXIF, and an option that is spelt as in torch."""

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="no documentation beside the tests")


@cache
def tokens(page: Path) -> list[Token]:
    """All of a page's Markdown, blocks and what is in them."""
    parsed = MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
    return [inner for token in parsed for inner in (token, *(token.children or ()))]


def codes(page: Path) -> list[str]:
    return [token.content for token in tokens(page) if token.type == "code_inline"]


def command_lines(page: Path) -> Iterator[list[str]]:
    """Words of each `vangram ...`: in blocks, continued lines joined, and between backticks."""
    for token in tokens(page):
        if token.type not in ("fence", "code_block", "code_inline"):
            continue
        lines = re.sub(r"\\\n\s*", "", token.content).splitlines()
        for line in lines:
            if line.startswith("vangram ") and not line.endswith("..."):
                yield shlex.split(line, comments=True)[1:]


def targets(page: Path) -> list[str]:
    """Where links lead and pictures lie, those outside aside."""
    found = [str(token.attrGet("href") or token.attrGet("src") or "") for token in tokens(page)]
    return [target for target in found if target and "://" not in target]


def anchors(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    page_tokens = tokens(page)
    titles = [
        after.content for token, after in pairwise(page_tokens) if token.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def parsed(words: list[str], monkeypatch: pytest.MonkeyPatch) -> Recipe | None:
    """Parse a command line without running it; the recipe, where one would be run.

    Raises:
        Exception: it is no command line of the program.
    """
    recipes: list[Recipe] = []
    monkeypatch.setattr(Film, "prepare", lambda *given, **more: recipes.append(given[2]))
    monkeypatch.setattr(film_runner, "make_film", lambda *given, **more: None)
    command: Any = get_command(app)
    rest = list(words)
    if rest and rest[0] in COMMANDS:
        command = load_command(rest.pop(0))
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]
    if not rest and len(words) > 0:
        return None  # named, not called
    if {"-h", "--help", "--version", "--install-completion"} & set(words):
        return None
    with nothing_made() as begun, command.make_context("vangram", rest) as context:
        if command.name in MAKES:
            command.invoke(context)
        elif getattr(command, "commands", None):
            raise AssertionError(f"no command {rest[0]!r}")
    recipes += [recipe for recipe, _ in begun]
    return recipes[0] if recipes else None


@cache
def names_of_tests() -> set[str]:
    trees = (ast.parse(path.read_text()) for path in (ROOT / "tests").rglob("test_*.py"))
    return {
        node.name
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def cases() -> list[Any]:
    found = [(page, words) for page in PAGES for words in command_lines(page)]
    return [pytest.param(words, id=f"{page.name}: {' '.join(words)}"[:90]) for page, words in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    named = [code for code in codes(page) if re.fullmatch(r"[\w./-]+\.py|[A-Z\w/]+\.md", code)]
    places = PACKAGE, ROOT, page.parent
    named = [name for name in named if not name.startswith("skimage/")]
    assert not [name for name in named if not any((place / name).exists() for place in places)]
    assert len(named) > 20 or page.stem != "method"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    named = {code for text in codes(page) for code in re.findall(r"\btest_\w+\b(?!\.py)", text)}
    assert not named - names_of_tests()
    assert len(named) > 40 or page.stem != "method"


@pytest.mark.parametrize("words", cases())
def test_every_command_line_is_one_of_the_program(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed(words, monkeypatch)


@pytest.mark.parametrize(
    "words",
    [["stylise", "a", "b"], ["stylize", "a", "b", "-o", "c.png", "--hue"], ["stylize", "a"]],
)
def test_command_line_that_is_none_is_found(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Exception, match=r"(?i)no such option|missing|no such command|no command"):
        parsed(words, monkeypatch)


OF_FILMS = ("flicker_weight", "frame_steps", "passes", "remember")


def test_every_picture_shown_was_made_by_a_command_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, list[Recipe]] = {}
    for page in DOCS.rglob("*.md"):
        for words in command_lines(page):
            recipe = parsed(words, monkeypatch) if words[0] in MAKES else None
            if recipe is not None:
                made.setdefault(words[words.index("-o") + 1], []).append(recipe)
    shown = {Path(t).name for page in DOCS.rglob("*.md") for t in targets(page) if "pictures/" in t}
    assert len(shown) > 10
    for name in shown - GIVEN - IN_THE_README:
        text = read_recipe(DOCS / "pictures" / name)
        assert text is not None, name
        recipe = Record.from_json(text).recipe
        if name.endswith(".jpg"):  # a still, which has none of a film's settings
            recipe = recipe.replace(**{each: getattr(Recipe(), each) for each in OF_FILMS})
        assert made[name] == [recipe] * len(made[name]), name
        assert (DOCS / "pictures" / name).stat().st_size <= LARGEST, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_inside_leads_somewhere(page: Path) -> None:
    for target in targets(page):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_shown_parses_and_imports_what_there_is(page: Path) -> None:
    blocks = [token for token in tokens(page) if token.type == "fence" and token.info == "python"]
    for node in (node for block in blocks for node in ast.walk(ast.parse(block.content))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("vangram"):
            module = import_module(node.module or "")
            missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
            assert not missing, node.module
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "vangram":
            assert node.attr in vangram.__all__, node.attr


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```python" in page.read_text()], ids=lambda page: page.stem
)
def test_python_shown_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare = vangram.Run.prepare
    small = {"size": 64, "steps": 2, "levels": None}
    monkeypatch.setattr(
        vangram.Run, "prepare", lambda *given, **settings: prepare(*given, **settings | small)
    )
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "photo.jpg").symlink_to(DOCS / "pictures" / "chelsea.jpg")
    (tmp_path / "painting.jpg").symlink_to(DOCS / "pictures" / "curl-field.jpg")
    (tmp_path / "mine.toml").write_text("style_weight = 80.0\n")
    monkeypatch.chdir(tmp_path)
    blocks = [token for token in tokens(page) if token.type == "fence" and token.info == "python"]
    exec("\n".join(block.content for block in blocks), {})


def options() -> set[str]:
    """Every option of every command."""
    known: set[str] = set()
    commands: list[Any] = [get_command(app), *map(load_command, COMMANDS)]
    while commands:
        command = commands.pop()
        commands += getattr(command, "commands", {}).values()
        for parameter in command.params:
            known |= {*parameter.opts, *parameter.secondary_opts}
    return known | {"--help"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_option_that_a_page_names_is_one_of_the_program(page: Path) -> None:
    named = {name for code in codes(page) for name in re.findall(r"^--[a-z][a-z-]+", code)}
    others = {
        "benchmarks": {"--ablation", "--device", "--frames", "--max-restarts", "--painted"},
        "training": {"--padding"},
    }
    assert not named - options() - others.get(page.parent.name, set())


def test_option_that_is_none_is_found() -> None:
    assert "--style-weight" in options()
    assert "--style-wait" not in options()


def messages() -> str:
    """Every text in the source, where a value is put in replaced by "..."."""
    texts = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (getattr(part, "value", None) for part in node.values)
                texts.append("".join(p if isinstance(p, str) else "..." for p in parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


def test_messages_in_troubleshooting_are_those_of_the_program() -> None:
    page = DOCS / "how-to" / "troubleshooting.md"
    shown = re.findall(r'"([^"]+)"', " ".join(page.read_text(encoding="utf-8").split()))
    shown = [text for text in shown if not text.startswith(".[")]
    assert len(shown) > 8
    assert not [text for text in shown if text not in messages()]


def test_exit_codes_of_the_page_are_the_programs() -> None:
    text = (DOCS / "cli.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| (\d+) \|", text, re.MULTILINE)
    assert shown == re.findall(r"\b\d+\b", cli.__doc__ or "")


def american(text: str) -> list[str]:
    for name in NAMES:
        text = text.replace(name, "")
    return AMERICAN.findall(text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_has_british_spelling(page: Path) -> None:
    assert not american(" ".join(t.content for t in tokens(page) if t.type == "text"))


def test_messages_and_docstrings_have_british_spelling() -> None:
    prose = re.sub(r"`[^`]*`|^ *\w+:", "", messages(), flags=re.MULTILINE)
    assert not american("\n".join(line for line in prose.splitlines() if " " in line.strip()))


def test_american_spelling_is_found() -> None:
    assert len(american("Color, normalized; an optimizer, a gray centre.")) == 4


def test_names_that_contributing_gives_are_in_their_files() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    found = re.findall(r"`(\w+)` in `([\w/]+\.py)`", text)
    assert len(found) > 4
    for name, path in found:
        assert re.search(rf"^(?:def |class )?{name}\b", (PACKAGE / path).read_text(), re.MULTILINE)


def test_size_of_pictures_in_contributing_is_the_limit_here() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert re.findall(r"at most (\d+) kB", text) == [str(LARGEST // 1000)]


def planned(side: int, gigabytes: int) -> str:
    """A cell of the table of plans: for 3 : 2, with inputs as large as the result."""
    recipe = Recipe(size=side)
    network = load_network(recipe.network, torch.device("cpu"), recipe.layers)
    size = fit((2000, 3000), side)
    inputs = InputMemory(decoded=2 * 16 * size[0] * size[1])  # colours and alpha in float32
    run = plan_run(coarse_to_fine(size, 48, recipe), recipe, network, inputs, gigabytes * 10**9)
    plan = run.levels[-1]
    if plan.spilled:
        words = f"{plan.history} pairs, files"
    else:
        tile = "" if plan.tile is None else "tiles of {1} × {0} px".format(*core_sides(plan.tile))
        words = (tile or "at once") + (f", {plan.history} pairs" if plan.shortened else "")
    return words if run.winograd else f"{words}, without Winograd"


def test_scales_of_average_pooling_told_are_the_registrys() -> None:
    text = (DOCS / "how-to" / "pooling-and-normalising.md").read_text(encoding="utf-8")
    for topology in (VGG19, VGG19_LITE):
        *others, last = (f"{scale:.3f}" for scale in topology.average_scale)
        assert f"{', '.join(others)} and {last} for" in text


def test_plans_shown_are_those_of_the_program() -> None:
    text = (DOCS / "how-to" / "large-prints.md").read_text(encoding="utf-8")
    head, *rows = re.findall(r"^\| (?:longer side|\d+ px) .*$", text, re.MULTILINE)
    memories = [int(memory) for memory in re.findall(r"(\d+) GB", head)]
    assert len(rows) > 4
    assert len(memories) > 3
    for row in rows:
        side, *cells = (cell.strip() for cell in row.strip("|").split("|"))
        assert cells == [planned(int(side.split()[0]), memory) for memory in memories], side


def test_defaults_told_are_the_recipes() -> None:
    rows = re.findall(r"^\| `--([\w-]+)` \| ([^|,]+)", (DOCS / "defaults.md").read_text(), re.M)
    told = {name.replace("-", "_"): value.strip() for name, value in rows}
    recipe = Recipe()
    plain = {name for name in told if isinstance(getattr(recipe, name), str | int | float)}
    assert len(plain) > 7
    for name in plain:
        value = getattr(recipe, name)
        assert told[name] == (f"{value:g}" if isinstance(value, float) else str(value)), name
    assert told["content_layers"] in recipe.content_layers


def test_every_page_is_in_the_contents() -> None:
    listed = {DOCS / "index.md"}
    for page in DOCS.rglob("*.md"):
        for token in tokens(page):
            if token.type == "fence" and token.info == "{toctree}":
                names = [line for line in token.content.split() if not line.startswith(":")]
                listed |= {(page.parent / f"{name}.md").resolve() for name in names}
    assert {page.resolve() for page in DOCS.rglob("*.md")} <= listed


def test_list_of_tasks_links_to_each_page_also_when_read_as_a_file() -> None:
    tasks = DOCS / "how-to"
    pages = {page.name for page in tasks.glob("*.md")} - {"index.md"}
    assert pages == set(targets(tasks / "index.md"))


def test_documentation_builds_without_a_warning_and_asks_nobody_for_anything(
    tmp_path: Path,
) -> None:
    pytest.importorskip("sphinx")
    html = tmp_path / "html"
    words = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "--quiet"]
    places = ["-d", str(tmp_path / "trees"), str(DOCS), str(html)]
    done = subprocess.run(
        [*words, *places], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    pages = sorted(html.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loads = re.findall(
            r"<(?:script|img|iframe|source|audio|video)\b[^>]*\bsrc=\"([^\"]*)", text
        )
        loads += re.findall(r"<link\b[^>]*\bhref=\"([^\"]*)", text)
        assert not [load for load in loads if re.match(r"(?:https?:)?//", load)], page.name
    for style in (html / "_static").rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", style.read_text()), style
