"""A setting is added in one place: one field more in a copy of the package, found everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import pytest

import vangram

ANCHOR = "    @model_validator"
FIELDS = """
    grain: float = setting(
        0.25,
        "Strength of the film's grain.",
        group="Darkroom",
        least=0,
        most=4,
        unit="stops",
    )
    paper: Literal["matt", "gloss"] = setting("matt", "Paper of the print.", group="Darkroom")
    borders: bool = setting(True, "Print borders.", group="Darkroom")
"""
SCRIPT = """
import json, sys
from contextlib import redirect_stdout, suppress
from io import StringIO

from docs.extensions.tables import command_page, settings_page
from vangram.cli import begin
from vangram.cli.app import app
from vangram.errors import SettingError
from vangram.settings.command import command_of
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe
from vangram.settings.record import Input, Record
from vangram.settings.toml import read_toml, write_recipe_file

recipe = Recipe(grain=0.5, paper="gloss", borders=False)
inputs = Inputs(content=Input("photo.jpg", "aa"), styles=(Input("painting.jpg", "bb"),))
record = Record(recipe=recipe, inputs=inputs, network_sha256="", versions={})
write_recipe_file(sys.argv[1], recipe)
taken = []
begin.begin_run = lambda recipe, *others: taken.append(recipe)
app(["stylize", "a", "b", "-o", "c", "--grain", "1.5", "--no-borders"], standalone_mode=False)
said = StringIO()
with redirect_stdout(said), suppress(SystemExit):
    app(["stylize", "--help"])
try:
    Recipe(grain=9)
except SettingError as error:
    refused = str(error)
found = {
    "toml": read_toml(sys.argv[1]) == recipe,
    "record": Record.from_json(record.to_json()).recipe == recipe,
    "older": Record.from_json(record.to_json().replace('"grain":0.5,', "")).recipe.grain,
    "command": command_of(record, "out.png"),
    "help": said.getvalue(),
    "taken": taken[0].to_dict(),
    "schema": Recipe.model_json_schema()["properties"]["grain"],
    "refused": refused,
    "commands": list(command_page()),
    "settings": list(settings_page()),
}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Answers of a copy of the package whose recipe has three fields more."""
    folder, root = tmp_path_factory.mktemp("copy"), Path(__file__).parents[2]
    copytree(root / "docs" / "extensions", folder / "docs" / "extensions")
    package = Path(vangram.__file__).parent
    copytree(package, folder / "vangram", ignore=ignore_patterns("*.safetensors", "__pycache__"))
    recipe = folder / "vangram" / "settings" / "recipe.py"
    before, anchor, after = recipe.read_text().partition(ANCHOR)
    recipe.write_text(before + FIELDS + "\n" + anchor + after)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder / "recipe.toml")],
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200", "TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


def test_added_setting_is_an_option_of_its_commands(found: dict[str, Any]) -> None:
    wanted = {"grain": 1.5, "paper": "matt", "borders": False}
    assert {name: found["taken"][name] for name in wanted} == wanted


def test_added_setting_is_in_the_help_under_its_group(found: dict[str, Any]) -> None:
    _, panel, rest = found["help"].partition(" Darkroom ")
    assert panel
    listed = " ".join(rest.partition("╰")[0].split())
    assert "--grain NUMBER Strength of the film's grain. [0 to 4 stops] [default: 0.25]" in listed
    assert "--paper [matt|gloss] Paper of the print. [default: matt]" in listed
    assert "--borders --no-borders" in listed


def test_added_setting_comes_back_from_a_file_and_a_record(found: dict[str, Any]) -> None:
    assert found["toml"]
    assert found["record"]


def test_added_setting_has_its_default_in_older_records(found: dict[str, Any]) -> None:
    assert found["older"] == 0.25


def test_added_setting_is_in_the_command_that_makes_the_picture(found: dict[str, Any]) -> None:
    words = found["command"]
    assert words[words.index("--grain") + 1] == "0.5"
    assert words[words.index("--paper") + 1] == "gloss"
    assert "--no-borders" in words


def test_added_setting_is_described_by_the_schema(found: dict[str, Any]) -> None:
    wanted = {
        "type": "number",
        "minimum": 0,
        "maximum": 4,
        "default": 0.25,
        "description": "Strength of the film's grain.",
        "group": "Darkroom",
        "unit": "stops",
    }
    assert {name: found["schema"][name] for name in wanted} == wanted


def test_added_setting_out_of_range_is_refused_by_name(found: dict[str, Any]) -> None:
    assert found["refused"] == "grain needs a number from 0 to 4 stops, not 9"


def test_added_setting_is_in_the_documentation(found: dict[str, Any]) -> None:
    said = "| Strength of the film's grain. [0 to 4 stops] | `0.25` |"
    assert f"| `--grain NUMBER` {said}" in found["commands"]
    values = "a number from 0 to 4 stops"
    said = f"| `grain` | Strength of the film's grain. | {values} | `0.25` |"
    assert said in found["settings"]
