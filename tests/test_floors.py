"""The floors: dependencies run down only, and what a floor does not need it does not load."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import vangram

PACKAGE = Path(vangram.__file__).parent

FLOORS = {
    "errors": 0,
    "files": 0,
    "precision": 0,
    "recipe": 0,
    "spelling": 0,
    "looks": 0,
    "recipe_file": 0,
    "record": 0,
    "storage": 1,
    "losses": 1,
    "images": 1,
    "networks": 1,
    "targets": 2,
    "objective": 2,
    "engines": 2,
    "optimize": 3,
    "colours": 4,
    "batch": 4,
    "explain": 4,
    "gallery": 4,
    "given": 4,
    "guides": 4,
    "keeping": 4,
    "painting": 4,
    "plan": 4,
    "study": 4,
    "scene": 4,
    "sequence": 4,
    "stylize": 4,
    "sweep": 4,
    "verify": 4,
    "command": 4,
    "vangram": 4,
    "cli": 5,
}
"""Where each file or folder of the package stands; "vangram" is the package's own __init__."""

PICTURES = {"PIL", "cv2", "tifffile"}
SCREEN = {"typer", "rich", "click"}
WEB = {"fastapi", "uvicorn", "starlette", "http.server"}
HEAVY = {"torch", "safetensors", "numpy"} | PICTURES

ABSENT = {
    "vangram": HEAVY | SCREEN,
    "vangram.errors": HEAVY | SCREEN,
    "vangram.storage.files": HEAVY | SCREEN,
    "vangram.settings.recipe": HEAVY | SCREEN,
    "vangram.settings.presets": HEAVY | SCREEN,
    "vangram.settings.toml": HEAVY | SCREEN,
    "vangram.settings.record": HEAVY | SCREEN,
    "vangram.cli.commands": HEAVY,
    "vangram.losses": {"safetensors"} | PICTURES | SCREEN,
    "vangram.networks": {"requests"} | PICTURES | SCREEN,
    "vangram.images": {"safetensors"} | SCREEN,
    "vangram.engines": PICTURES | SCREEN,
    "vangram.optimize": PICTURES | SCREEN,
    "vangram.run.result": SCREEN,
    "vangram.reports.explain": SCREEN,
    "vangram.stylize": SCREEN,
}
"""What a fresh process has not loaded after importing a module."""


def loaded(module: str) -> set[str]:
    """The modules in a fresh process after one import."""
    script = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    return set(json.loads(done.stdout))


def home(path: Path) -> str:
    """The file or folder on a floor that a source file belongs to."""
    first = path.relative_to(PACKAGE).parts[0]
    return "vangram" if first == "__init__.py" else first.removesuffix(".py")


def home_of_module(module: str) -> str | None:
    """The same for a module's name; None for what is not ours."""
    parts = module.split(".")
    if parts[0] != "vangram":
        return None
    return parts[1] if len(parts) > 1 else "vangram"


@cache
def sources() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}


def imports(tree: ast.AST) -> set[str]:
    """Every module that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("module", ABSENT)
def test_import_loads_nothing_that_its_floor_does_not_need(module: str) -> None:
    modules = loaded(module)
    assert module in modules
    assert not {name for name in modules if name in ABSENT[module] | WEB}
    floor = FLOORS[home_of_module(module) or ""]
    # The package's own __init__ is on the way to each of them, and imports nothing of ours.
    above = {
        name
        for name in modules
        if (found := home_of_module(name)) not in (None, "vangram") and FLOORS[found] > floor
    }
    assert not above


def test_every_source_file_stands_on_a_floor() -> None:
    assert len(sources()) > 30
    for path in sources():
        assert home(path) in FLOORS, path


def test_dependencies_run_down_only() -> None:
    for path, tree in sources().items():
        here = home(path)
        if here == "vangram":  # its names are imported when they are first used
            continue
        for module in imports(tree):
            there = home_of_module(module)
            if there is None or there == here:
                continue
            assert FLOORS[there] <= FLOORS[here], f"{path.name} imports {module}"


def test_folders_of_one_floor_do_not_import_each_other() -> None:
    folders = {"losses", "images", "networks"}
    for path, tree in sources().items():
        if home(path) in folders:
            others = {home_of_module(module) for module in imports(tree)} & folders
            assert others <= {home(path)}, path


def test_objective_knows_no_engine() -> None:
    assert "engines" not in {
        home_of_module(m) for m in imports(sources()[PACKAGE / "objective.py"])
    }


def test_optimisers_know_no_engine_and_no_network() -> None:
    for path, tree in sources().items():
        if home(path) == "optimize":
            known = {home_of_module(module) for module in imports(tree)}
            assert not known & {"engines", "networks", "losses"}, path


def test_pillow_is_known_to_pictures_alone() -> None:
    for path, tree in sources().items():
        if any(module.split(".")[0] in PICTURES for module in imports(tree)):
            assert home(path) == "images", path


def test_only_the_command_line_prints_or_exits() -> None:
    for path, tree in sources().items():
        if home(path) in ("cli", "studio"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "exit", "quit", "input"), path
                assert called not in ("sys.exit", "os._exit", "sys.stdout.write"), path
        assert not imports(tree) & {"typer", "rich"}, path


def test_no_file_asserts_what_users_can_get_wrong() -> None:
    # `python -O` drops assertions, so they are for our own invariants, never for settings.
    for name in ("recipe.py", "record.py"):
        assert not [n for n in ast.walk(sources()[PACKAGE / name]) if isinstance(n, ast.Assert)]
