"""Bodies of jobs, and the recipes that they stand for."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

from pydantic import ValidationError

from vangram.errors import RecipeError, SettingError
from vangram.settings.presets import preset
from vangram.settings.recipe import RECONSTRUCTION, TEXTURE, Recipe
from vangram.studio.requests import JobBody, cells_of

GIVEN: dict[str, dict[str, Any]] = {
    "stylize": {"content": "aa", "styles": ["bb"]},
    "texture": {"styles": ["bb"]},
    "reconstruct": {"content": "aa"},
    "sweep": {"content": "aa", "styles": ["bb"], "vary": {"steps": [5]}},
}


def body(kind: str = "stylize", **fields: Any) -> JobBody:
    return JobBody(**{"kind": kind, **GIVEN[kind], **fields})


def recipe(kind: str = "stylize", **fields: Any) -> Recipe:
    (cell,) = cells_of(body(kind, **fields))
    return cell.recipe


def test_settings_go_over_presets_and_presets_over_the_kinds_defaults() -> None:
    assert recipe() == Recipe()
    assert recipe("texture") == Recipe(**TEXTURE)
    assert recipe("reconstruct") == Recipe(**RECONSTRUCTION)
    assert recipe(preset="bold") == preset("bold")
    assert recipe(preset="sketch", settings={"steps": 7}).steps == 7
    assert recipe(preset="sketch", settings={"steps": 7}).style_weight == 10.0
    assert recipe("sweep").size == 192
    assert recipe(strength=2) == Recipe().strengthened(2.0)
    assert recipe(preset="bold", strength=0.5) == preset("bold").strengthened(0.5)


def test_picture_to_start_from_sets_how_the_run_begins() -> None:
    assert recipe(start="cc").init == "picture"
    for settings in ({"init": "noise"}, {"init": "content"}):
        with pytest.raises(SettingError, match="init"):
            cells_of(body(start="cc", settings=settings))
    for init in ("picture", "before"):
        with pytest.raises(SettingError, match="init"):
            cells_of(body(settings={"init": init}))


def test_sweep_is_every_combination_the_last_setting_changing_first() -> None:
    cells = cells_of(body("sweep", vary={"style_weight": [1, 2], "preset": ["sketch", "bold"]}))
    assert [tuple(cell.values.values()) for cell in cells] == [
        (1, "sketch"), (1, "bold"), (2, "sketch"), (2, "bold"),
    ]  # fmt: skip
    assert [cell.recipe.style_weight for cell in cells] == [1, 1, 2, 2]
    assert [cell.recipe.steps for cell in cells] == [60, 200, 60, 200]
    strengths = cells_of(body("sweep", vary={"strength": [1, 2]}))
    assert [cell.recipe.style_weight for cell in strengths] == [40, 160]


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("stylize", {"content": None}, "photograph"),
        ("stylize", {"styles": []}, "painting"),
        ("texture", {"content": "aa"}, "content"),
        ("texture", {"keep": "aa"}, "keep"),
        ("reconstruct", {"styles": ["bb"]}, "styles"),
        ("texture", {"preset": "bold"}, "preset"),
        ("stylize", {"preset": "wild"}, "wild"),
        ("stylize", {"strength": 100}, "strength"),
        ("stylize", {"strength": 2, "settings": {"style_weight": 3.0}}, "both"),
        ("stylize", {"settings": {"size": 1}}, "size"),
        ("stylize", {"settings": {"size": "512"}}, "size"),
        ("stylize", {"settings": {"style_layers": [1]}}, "style_layers"),
        ("stylize", {"vary": {"steps": [1]}}, "vary"),
        ("sweep", {"vary": None}, "vary"),
        ("sweep", {"vary": {"steps": []}}, "steps"),
        ("sweep", {"vary": {"steps": [1] * 11, "seed": [1] * 10}}, "100"),
        ("sweep", {"vary": {"strength": ["much"]}}, "strength"),
        ("sweep", {"vary": {"preset": [3]}}, "preset"),
    ],
)
def test_what_cannot_be_is_one_line_that_names_it(
    kind: str, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingError, match=words) as refused:
        cells_of(body(kind, **fields))
    assert "\n" not in str(refused.value)


def test_unknown_setting_is_refused() -> None:
    with pytest.raises((RecipeError, SettingError), match="hue"):
        cells_of(body(settings={"hue": 1}))
    with pytest.raises((RecipeError, SettingError), match="hue"):
        cells_of(body("sweep", vary={"hue": [1]}))


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "paint"},
        {"hue": 1},
        {"content": "../../etc/passwd"},
        {"content": "a/b"},
        {"content": ""},
        {"content": 5},
        {"styles": ["a"] * 17},
        {"styles": ["\x00"]},
        {"format": "exe"},
        {"format": "../x.png"},
        {"draft": "yes"},
        {"strength": float("nan")},
        {"vary": {}},
        {"vary": {"a": [1], "b": [1], "c": [1]}},
    ],
)
def test_malformed_body_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        JobBody(**{"kind": "stylize", "content": "aa", "styles": ["bb"], **fields})
