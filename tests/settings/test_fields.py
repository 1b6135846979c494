"""What a field's declaration says, in texts and messages."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given

from tests.settings.test_recipe import recipes
from vangram.errors import SettingError
from vangram.settings.fields import LONGEST_VALUE, Setting, settings_of
from vangram.settings.kinds import FILM, RECONSTRUCT, STYLIZE, SYNTHESIZE
from vangram.settings.recipe import Recipe

SETTINGS = settings_of(Recipe)


@given(recipes)
def test_text_of_a_value_is_parsed_to_the_value(recipe: Recipe) -> None:
    for name, setting in SETTINGS.items():
        value = getattr(recipe, name)
        if setting.option and value != setting.default:
            assert setting.parse(setting.format(value)) == value


def test_layers_without_weights_weigh_as_much_as_the_default_together() -> None:
    setting = SETTINGS["style_layers"]
    one = Recipe(**setting.given("relu1_1,relu2_1"))
    assert one.style_layers == {"relu1_1": 0.5, "relu2_1": 0.5}
    assert sum(one.style_layers.values()) == pytest.approx(sum(Recipe().style_layers.values()))
    two = Recipe(**setting.given("relu1_1,relu2_1", "relu3_1,relu4_1,relu5_1"))
    assert two.style_layers == Recipe().style_layers
    assert two.each_style_layers[0] == {"relu1_1": 0.2, "relu2_1": 0.2}
    shared = Recipe(**setting.given("relu1_1,relu2_1", "relu2_1=3"))
    assert shared.each_style_layers == ({"relu1_1": 0.5, "relu2_1": 0.5}, {"relu2_1": 3.0})


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4e9), ("1.5 gb", 1.5e9), ("800M", 8e8), ("12B", 12), ("3 k", 3e3)],
)
def test_memory_is_parsed_with_its_unit(text: str, size: float) -> None:
    assert SETTINGS["memory"].parse(text) == size


@pytest.mark.parametrize("text", ["2", "2000000000", " 2.5 "])
def test_memory_without_a_unit_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="has no unit"):
        SETTINGS["memory"].parse(text)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_every_setting_is_described(setting: Setting) -> None:
    assert setting.group
    assert setting.help.endswith(".")
    assert "\n" not in setting.help
    assert setting.format(setting.default)
    assert setting.values.split()[0] in ("a", "one", "true")


def test_schema_says_all_that_the_declarations_say() -> None:
    schema = Recipe.model_json_schema()["properties"]
    assert schema["size"] == {
        "default": 512,
        "description": "Longer side of the result.",
        "group": "Picture",
        "maximum": 32768,
        "minimum": 2,
        "title": "Size",
        "type": "integer",
        "unit": "px",
    }
    assert schema["colour"]["enum"] == ["style", "luminance", "match", "histogram"]
    assert all({"default", "description", "group"} <= each.keys() for each in schema.values())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"size": 0}, "size needs a whole number from 2 to 32768 px, not 0"),
        ({"noise_range": "x"}, "noise_range needs a number from 0 to 1, not 'x'"),
        ({"normalise": 1}, "normalise needs true or false, not 1"),
        ({"network": ""}, "network needs a name, not ''"),
        ({"units": "metric"}, "units needs one of relative, paper, not 'metric'"),
        (
            {"content_layers": {"relu1_1": True}},
            "content_layers: relu1_1 needs a number from 0 to 1e+30, not True",
        ),
        (
            {"each_style_layers": [{"relu1_1": 1}, {"relu2_1": -1}]},
            "each_style_layers: relu2_1 needs a number from 0 to 1e+30, not -1",
        ),
        ({"blend": [0.5, "1"]}, "blend needs a number from 0 to 1e+30, not '1'"),
        ({"blend": {0.5}}, "blend needs a share for each painting, not {0.5}"),
        ({"style_layers": {1: 0.5}}, "style_layers needs a mapping of layer to weight, not 1"),
        ({"proportions": [3]}, "proportions needs a height and a width, not (3,)"),
        ({"proportions": [3, 0]}, "proportions needs a whole number from 1 to 32768, not 0"),
        (
            {"memory": 0.5},
            "memory needs a whole number from 1 to 1125899906842624 bytes, not 0.5",
        ),
        ({"memory": "much"}, "memory: 'much' is no amount of memory; write it as 4GB or 800MB"),
    ],
)
def test_refusal_names_the_setting_its_values_and_what_was_given(
    settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingError) as refused:
        Recipe(**settings)
    assert str(refused.value) == said


@pytest.mark.parametrize(
    "value",
    [10**5000, "long" * 1000, b"\0" * 10_000, ["two\nlines"] * 99],
    ids=["number", "text", "bytes", "list"],
)
def test_refusal_repeats_a_value_shortly(value: object) -> None:
    with pytest.raises(SettingError) as refused:
        Recipe(size=value)  # type: ignore[arg-type]
    assert len(str(refused.value)) < 60 + LONGEST_VALUE
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("value", [b"\x89PNG", np.zeros((2, 2)), torch.zeros(2)])
def test_refusal_repeats_no_picture(value: object) -> None:
    for name in ("size", "memory", "style_layers", "blend", "colour"):
        with pytest.raises(SettingError) as refused:
            Recipe(**{name: value})  # type: ignore[arg-type]
        assert str(refused.value).endswith(f"not a value of type {type(value).__name__}")


def test_unknown_setting_is_refused_by_name() -> None:
    with pytest.raises(SettingError, match="no setting 'sytle_weight'; there are blend, colour"):
        Recipe(sytle_weight=3.0)  # type: ignore[call-arg]


def test_copy_with_other_values_is_checked() -> None:
    assert Recipe().replace(size=64) == Recipe(size=64)
    with pytest.raises(SettingError, match="size needs"):
        Recipe().replace(size=0)
    with pytest.raises(SettingError, match="'hue'"):
        Recipe().replace(hue=1)


def test_kinds_of_run_have_the_settings_that_their_inputs_allow() -> None:
    assert set(SETTINGS) - set(FILM.settings()) == {"proportions"}
    assert set(SETTINGS) - set(STYLIZE.settings()) == {
        "frame_steps",
        "passes",
        "remember",
        "proportions",
    }
    without_painting = set(SETTINGS) - set(RECONSTRUCT.settings())
    assert {"style_weight", "style_layers", "blend", "colour", "init"} <= without_painting
    without_photo = set(SETTINGS) - set(SYNTHESIZE.settings())
    assert {"content_weight", "content_layers", "colour", "init"} <= without_photo
    assert "proportions" in SYNTHESIZE.settings()
    assert not {"size", "steps", "seed"} & (without_painting | without_photo)


def test_help_explains_every_setting() -> None:
    text = inspect.getdoc(Recipe) or ""
    for name, setting in SETTINGS.items():
        assert f"{name}: {setting.help} {setting.described}" in text
    assert "size: Longer side of the result. A whole number from 2 to 32768 px." in text
    assert "style, luminance, match, histogram." in text
    assert "number from 1 to 16. Default: as many as make sense." in text
