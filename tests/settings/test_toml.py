"""Recipes as files: what is written comes back, and what cannot be used is one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from tests.settings.test_recipe import recipes
from vangram.errors import OutputError, RecipeError
from vangram.settings.recipe import Recipe
from vangram.settings.toml import read_toml, write_recipe_file


@given(recipe=recipes)
def test_recipe_file_gives_back_the_recipe_written(
    recipe: Recipe, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("recipe") / "recipe.toml"
    write_recipe_file(path, recipe)
    assert read_toml(path) == recipe


def test_recipe_file_keeps_what_is_rarely_set(tmp_path: Path) -> None:
    recipe = Recipe(proportions=(2, 3), memory=2**40, tile=64, normalise=True, precision="tf32")
    write_recipe_file(tmp_path / "recipe.toml", recipe)
    assert read_toml(tmp_path / "recipe.toml") == recipe


def test_recipe_file_may_say_layers_and_memory_as_the_command_line_does(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('style_layers = "relu1_1=0.5,relu2_1"\nmemory = "1.5GB"\n')
    wanted = Recipe(style_layers={"relu1_1": 0.5, "relu2_1": 1.0}, memory=1_500_000_000)
    assert read_toml(path) == wanted


def test_recipe_file_may_name_settings_as_their_options(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('style-weight = 7.0\nstyle-layers = "relu1_1"\nblend = "0.7,0.3"\n')
    wanted = Recipe(style_weight=7.0, style_layers={"relu1_1": 1.0}, blend=(0.7, 0.3))
    assert read_toml(path) == wanted


def test_recipe_file_that_is_empty_is_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("# nothing yet\n")
    assert read_toml(tmp_path / "recipe.toml") == Recipe()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"size = 10\nsize = 20", "no recipe"),
        (b"size 10", "style_weight = 100.0"),
        (b"\xff\xfe\x00", "no recipe"),
        (b"x = " + b"[" * 100_000, "no recipe"),
        (b"hue = 3", "'hue'"),
        (b"style-weight = 3\nstyle_weight = 3", "style_weight is given twice"),
        (b"strength = 3", "'strength'"),
        (b"size = 0", "size needs"),
        (b"size = '512'", "size needs"),
        (b"style_weight = -1", "style_weight needs"),
        (b"style_weight = nan", "style_weight needs"),
        (b"style_weight = 2020-01-01", "style_weight needs"),
        (b"memory = 'much'", "memory"),
        (b"style_layers = 'relu1_1,relu1_1'", "twice"),
        (b"style_layers = ['relu1_1']", "style_layers needs"),
        (b"[style_layers]\nrelu1_1 = 'a'", "relu1_1"),
        (b"[style_layers.deep]\nrelu1_1 = 1", "deep"),
        (b'units = """\nmetric\n"""', "units needs"),
    ],
)
def test_recipe_file_that_cannot_be_used_is_refused_on_one_line(
    tmp_path: Path, text: bytes, said: str
) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(text)
    with pytest.raises(RecipeError) as refused:
        read_toml(path)
    message = str(refused.value)
    assert said in message
    assert message.count("recipe.toml") == 1
    assert "\n" not in message


@pytest.mark.parametrize("name", ["missing.toml", ".", "nul\0byte"])
def test_recipe_file_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecipeError):
        read_toml(tmp_path / name)


def test_recipe_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_recipe_file(tmp_path / "missing" / "recipe.toml", Recipe())
