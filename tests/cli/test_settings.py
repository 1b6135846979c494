"""Looks on the command line: preset or file first, what is given on top."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_commands import QUICK, assert_refused
from tests.conftest import Outcome
from tests.support import nothing_made
from vangram.images import read_recipe
from vangram.run.recipe_file import read_recipe_file
from vangram.settings.presets import PRESETS, preset
from vangram.settings.recipe import Recipe
from vangram.settings.record import Record
from vangram.settings.toml import write_recipe_file

Command = Callable[..., Outcome]


@pytest.fixture
def asked(command: Command, photo: Path, painting: Path, tmp_path: Path) -> Callable[..., Recipe]:
    """The recipe that options ask for."""

    def ask(*words: object) -> Recipe:
        with nothing_made() as begun:
            outcome = command("stylize", photo, painting, "-o", tmp_path / "out.png", *words)
        assert outcome.code == 0, outcome.err
        return begun[0][0]

    return ask


@pytest.mark.parametrize("name", PRESETS)
def test_preset_is_its_recipe(asked: Callable[..., Recipe], name: str) -> None:
    assert asked("--preset", name) == preset(name)


def test_option_given_wins_over_the_preset_even_with_the_default(
    asked: Callable[..., Recipe],
) -> None:
    assert asked("--preset", "bold", "--style-weight", 40) == Recipe()


def test_option_given_wins_over_the_file(asked: Callable[..., Recipe], tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("size = 100\nsteps = 7\nnormalise = true\npooling = 'average'\n")
    wanted = Recipe(size=512, steps=7, normalise=True, pooling="average")
    assert asked("--recipe", path, "--size", 512) == wanted


def test_layers_given_once_win_over_a_files_for_each_painting(
    asked: Callable[..., Recipe], tmp_path: Path
) -> None:
    path = tmp_path / "recipe.toml"
    each = ({"relu1_1": 1.0}, {"relu2_1": 1.0})
    write_recipe_file(path, Recipe(each_style_layers=each, blend=(0.7, 0.3)))
    assert asked("--recipe", path).each_style_layers == each
    assert asked("--recipe", path).blend == (0.7, 0.3)
    wanted = Recipe(style_layers={"relu3_1": 1.0}, blend=(0.7, 0.3))
    assert asked("--recipe", path, "--style-layers", "relu3_1") == wanted


def test_option_turns_a_files_switch_off(asked: Callable[..., Recipe], tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("normalise = true\n")
    assert asked("--recipe", path).normalise
    assert not asked("--recipe", path, "--no-normalise").normalise


def test_recipe_of_a_finished_picture_is_changed_by_the_options_given(
    asked: Callable[..., Recipe], command: Command, photo: Path, painting: Path, tmp_path: Path
) -> None:
    made = tmp_path / "made.png"
    words = ("--init", "noise", "--style-weight", 7, "--normalise", "--tolerance", 0)
    assert command("stylize", photo, painting, "-o", made, *QUICK, *words).code == 0
    text = read_recipe(made)
    assert text is not None
    recipe = Record.from_json(text).recipe
    assert recipe.style_weight == 7
    assert asked("--recipe", made) == recipe
    wanted = recipe.replace(size=64, init="content")
    assert asked("--recipe", made, "--size", 64, "--init", "content") == wanted


def test_strength_scales_what_the_preset_has(asked: Callable[..., Recipe]) -> None:
    assert asked("--strength", 3) == Recipe().strengthened(3)
    assert asked("--strength", 3, "--preset", "bold") == preset("bold").strengthened(3)


def test_saved_recipe_makes_the_same_picture(
    command: Command, photo: Path, painting: Path, tmp_path: Path
) -> None:
    one, two, file = tmp_path / "one.png", tmp_path / "two.png", tmp_path / "recipe.toml"
    words = (*QUICK, "--strength", 2, "--seed", 3, "--init", "noise", "--save-recipe", file)
    assert command("stylize", photo, painting, "-o", one, *words).code == 0
    assert command("stylize", photo, painting, "-o", two, "--recipe", file).code == 0
    assert one.read_bytes() == two.read_bytes()
    assert read_recipe_file(file).seed == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--preset", "baroque"], "baroque"),
        (["--strength", 0], "strength"),
        (["--strength", 2, "--style-weight", 40], "not both"),
        (["--preset", "bold", "--recipe", "recipe.toml"], "give one of them"),
        (["--recipe", "missing.toml"], "missing.toml"),
        (["--recipe", "bad.toml"], "bad.toml"),
        (["--recipe", "picture.toml"], "--init PATH"),
        (["--recipe", "bytes.toml"], "neither a TOML file of settings nor a picture"),
        (["--recipe", "photo.png"], "carries no recipe"),
        (["--recipe", "broken.toml"], "is no recipe"),
        (["--strength", "much"], "strength needs a number"),
        (["--save-recipe", "recipe.toml"], "--force"),
        (["--save-recipe", "out.png"], "elsewhere"),
        (["--save-recipe", "missing/recipe.toml"], "cannot be written"),
    ],
)
def test_look_that_cannot_be_used_is_refused_before_work(
    command: Command, photo: Path, painting: Path, tmp_path: Path, words: list[object], said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    write_recipe_file("recipe.toml", Recipe(size=48))
    Path("bad.toml").write_text("siez = 48\n")
    Path("picture.toml").write_text('init = "picture"\n')
    Path("bytes.toml").write_bytes(bytes(range(256)))
    Path("broken.toml").write_text("size 48\n")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert_refused(command("stylize", photo, painting, "-o", "out.png", *QUICK, *words), said)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_saved_recipe_never_overwrites_an_input(
    command: Command, photo: Path, painting: Path, tmp_path: Path
) -> None:
    before = photo.read_bytes()
    words = ("-o", tmp_path / "out.png", *QUICK, "--save-recipe", photo, "--force")
    assert_refused(command("stylize", photo, painting, *words), "elsewhere")
    assert photo.read_bytes() == before
