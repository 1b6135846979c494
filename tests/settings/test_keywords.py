"""Settings as keyword arguments: typed as the recipe's, and the same as at the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest

import vangram
from tests.conftest import Outcome
from tests.support import nothing_made
from vangram.errors import RecipeError, SettingError
from vangram.settings.fields import settings_of
from vangram.settings.keywords import BESIDE, PresetName, Settings, recipe_from
from vangram.settings.kinds import RECONSTRUCT, STYLIZE, SYNTHESIZE, Kind
from vangram.settings.presets import PRESETS, preset
from vangram.settings.recipe import Recipe

Command = Callable[..., Outcome]
EACH = {"each_style_layers": ["relu1_1", "relu2_1=3"]}


def alternatives(kind: Any) -> frozenset[Any]:
    """The types that a type stands for; tuples of any length are sequences, layers may be text."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return frozenset().union(*map(alternatives, parts))
    if origin is Sequence or (origin is tuple and parts[-1] is Ellipsis):
        return frozenset({("several", alternatives(parts[0]))})
    return frozenset({kind, str} if kind == Mapping[str, float] else {kind})


def test_keyword_arguments_are_the_recipes_settings_and_have_their_types() -> None:
    arguments, fields = get_type_hints(Settings), get_type_hints(Recipe)
    assert Recipe in get_args(arguments.pop("recipe"))
    assert list(arguments) == [name for name in Recipe.model_fields if name in arguments]
    assert arguments.keys() == settings_of(Recipe).keys()
    for name, setting in settings_of(Recipe).items():
        wanted = alternatives(fields[name]) | ({str} if setting.text is not None else set())
        assert alternatives(arguments[name]) == wanted, name


def test_names_of_presets_are_those_that_type_checkers_see() -> None:
    assert get_args(PresetName) == tuple(PRESETS)


CASES: list[tuple[Kind, Mapping[str, Any], tuple[object, ...]]] = [
    (STYLIZE, {"strength": 2}, ("--strength", 2)),
    (STYLIZE, {"strength": "1.5", "preset": "bold"}, ("--strength", 1.5, "--preset", "bold")),
    (STYLIZE, {"preset": "sketch", "steps": 9}, ("--preset", "sketch", "--steps", 9)),
    (STYLIZE, {"memory": "2GB"}, ("--memory", "2GB")),
    (STYLIZE, {"style_layers": "relu1_1,relu2_1"}, ("--style-layers", "relu1_1,relu2_1")),
    (STYLIZE, {"content_layers": "relu4_2=2"}, ("--content-layers", "relu4_2=2")),
    (STYLIZE, {"blend": "0.7,0.3"}, ("--blend", "0.7,0.3")),
    (STYLIZE, EACH, ("--style-layers", "relu1_1", "--style-layers", "relu2_1=3")),
    (RECONSTRUCT, {"layer": "relu1_1,relu3_1=2"}, ("--layer", "relu1_1,relu3_1=2")),
    (SYNTHESIZE, {"layers": "relu1_1"}, ("--layers", "relu1_1")),
    (SYNTHESIZE, {"up_to": "relu3_1"}, ("--up-to", "relu3_1")),
]


@pytest.mark.parametrize(("kind", "given", "words"), CASES)
def test_keyword_arguments_ask_for_what_options_ask_for(
    command: Command, photo: Path, painting: Path, tmp_path: Path, kind: Kind,
    given: Mapping[str, Any], words: tuple[object, ...],
) -> None:  # fmt: skip
    pictures = {STYLIZE.command: [photo, painting], RECONSTRUCT.command: [photo]}
    sources = pictures.get(kind.command, [painting])
    with nothing_made() as begun:
        outcome = command(kind.command, *sources, "-o", tmp_path / "out.png", *words)
    assert outcome.code == 0, outcome.err
    ((recipe, _),) = begun
    assert recipe == recipe_from(kind, given)
    assert recipe != kind.base()


def test_functions_take_what_the_command_line_takes(photo: Path, painting: Path) -> None:
    small: dict[str, Any] = {"size": 48, "steps": 1, "memory": "3GB"}
    styled = vangram.stylize(photo, painting, strength=2, preset="bold", **small)
    wanted = preset("bold").strengthened(2).replace(**small)
    assert styled.record.recipe == wanted
    found = vangram.reconstruct(photo, layer="relu1_1,relu2_1", **small).record.recipe
    assert found.content_layers == {"relu1_1": 0.5, "relu2_1": 0.5}
    assert found.style_weight == 0
    made = vangram.texture(painting, up_to="relu2_1", **small).record.recipe
    assert made.style_layers == {"relu1_1": 0.5, "relu2_1": 0.5}
    assert made.init == "noise"
    again = vangram.texture(painting, recipe=made, seed=3).record.recipe
    assert again == made.replace(seed=3)


def test_recipe_is_taken_from_a_file_or_a_result(
    photo: Path, painting: Path, tmp_path: Path
) -> None:
    small: dict[str, Any] = {"size": 48, "steps": 1, "style_weight": 7.0}
    result = vangram.stylize(photo, painting, **small)
    made, file = result.save(tmp_path / "made.png"), tmp_path / "recipe.toml"
    vangram.write_recipe_file(file, result.record.recipe)
    for path in (made, file, str(made)):
        assert vangram.read_recipe_file(path) == result.record.recipe
        run = vangram.Run.prepare(photo, painting, recipe=path, seed=3)
        assert run.recipe == result.record.recipe.replace(seed=3)
    with pytest.raises(RecipeError, match="carries no recipe"):
        vangram.stylize(photo, painting, recipe=photo)


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        (STYLIZE, {"preset": "bold", "recipe": Recipe()}, "preset and recipe"),
        (STYLIZE, {"strength": 2, "style_weight": 3.0}, "strength and style_weight"),
        (STYLIZE, {"strength": "much"}, "strength needs a number"),
        (STYLIZE, {"strength": [2]}, "strength needs a number"),
        (STYLIZE, {"preset": "baroque"}, "no preset 'baroque'"),
        (STYLIZE, {"preset": ["bold"]}, "no preset"),
        (STYLIZE, {"recipe": "bold.toml"}, "recipe needs a vangram.Recipe, not 'bold.toml'"),
        (STYLIZE, {"layer": "relu1_1"}, "no setting 'layer'"),
        (STYLIZE, {"memory": "2"}, "no unit"),
        (RECONSTRUCT, {"layer": "relu1_1", "content_layers": "relu1_1"}, "give one of them"),
        (SYNTHESIZE, {"layers": "relu1_1", "up_to": "relu1_1"}, "up_to and layers"),
        (SYNTHESIZE, {"style_layers": "relu1_1", "up_to": "relu1_1"}, "up_to and style_layers"),
        (SYNTHESIZE, {"up_to": "relu2_2"}, "relu2_2"),
    ],
)
def test_keyword_arguments_that_contradict_each_other_are_refused(
    kind: Kind, given: Mapping[str, Any], said: str
) -> None:
    with pytest.raises(SettingError) as refused:
        recipe_from(kind, given)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_given_beside_settings_is_no_setting() -> None:
    assert not set(BESIDE) & set(settings_of(Recipe))


def test_layers_given_hold_for_all_paintings_of_a_recipe() -> None:
    recipe = Recipe(each_style_layers=({"relu1_1": 1.0}, {"relu2_1": 1.0}))
    found = recipe_from(STYLIZE, {"recipe": recipe, "style_layers": "relu3_1"})
    assert found == Recipe(style_layers={"relu3_1": 1.0})


def test_numbers_of_numpy_are_numbers() -> None:
    given = {"size": np.int64(64), "style_weight": np.float32(2.5), "normalise": np.bool_(True)}
    assert recipe_from(STYLIZE, given) == Recipe(size=64, style_weight=2.5, normalise=True)
    with pytest.raises(SettingError, match="size needs a whole number"):
        recipe_from(STYLIZE, {"size": np.float64(64.5)})


def test_type_checkers_see_unknown_names_and_values() -> None:
    # Were one of them no error for mypy, its `ignore` would be one.
    with pytest.raises(SettingError, match="no setting 'sytle_weight'"):
        vangram.stylize("a.png", "b.png", sytle_weight=3.0)  # type: ignore[call-arg]
    with pytest.raises(SettingError, match="no setting 'sytle_weight'"):
        vangram.Run.prepare("a.png", "b.png", sytle_weight=3.0)  # type: ignore[call-arg]
    with pytest.raises(SettingError, match="no setting 'strenght'"):
        vangram.texture("b.png", strenght=3.0)  # type: ignore[call-arg]
    with pytest.raises(SettingError, match="size needs"):
        vangram.reconstruct("a.png", size="48")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="colour needs one of"):
        vangram.stylize("a.png", "b.png", colour="luminence")  # type: ignore[arg-type]
