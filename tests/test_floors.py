"""The floors: dependencies run down only, without a circle, and load only what they need."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import vangram

PACKAGE = Path(vangram.__file__).parent
ROOT = Path(__file__).parent.parent

FLOORS = (
    ("errors",),
    ("storage",),
    ("settings",),  # above storage, for recipes are written to files
    ("images", "kernels"),
    ("losses",),
    ("networks",),
    ("objective",),
    ("engines", "optimize"),
    ("run",),
    ("film", "batch", "reports"),
    ("studio",),
    ("cli",),
    ("api", "__main__"),
)
"""Rooms, lowest first. A room imports rooms on lower floors, and none on its own. `vangram` itself,
which names what is public and imports it when it is first used, stands beside them."""
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

PICTURES = {"PIL", "cv2", "tifffile"}
SCREEN = {"typer", "rich", "click"}
WEB = {"fastapi", "uvicorn", "starlette", "python_multipart", "http.server"}
HEAVY = {"torch", "safetensors", "numpy"} | PICTURES

ABSENT = {
    "vangram": HEAVY | SCREEN,
    "vangram.errors": HEAVY | SCREEN,
    "vangram.storage.files": HEAVY | SCREEN,
    "vangram.storage.tensors": PICTURES | SCREEN,
    "vangram.settings.recipe": HEAVY | SCREEN,
    "vangram.settings.presets": HEAVY | SCREEN,
    "vangram.settings.toml": HEAVY | SCREEN,
    "vangram.settings.record": HEAVY | SCREEN,
    "vangram.settings.command": HEAVY | SCREEN,
    "vangram.cli.app": HEAVY,
    "vangram.losses": {"safetensors"} | PICTURES | SCREEN,
    "vangram.kernels": {"safetensors"} | PICTURES | SCREEN,
    "vangram.networks": {"requests"} | PICTURES | SCREEN,
    "vangram.images": {"safetensors"} | SCREEN,
    "vangram.objective": PICTURES | SCREEN,
    "vangram.engines": PICTURES | SCREEN,
    "vangram.optimize": PICTURES | SCREEN,
    "vangram.run": SCREEN,
    "vangram.api": SCREEN,
    "vangram.reports.explain": SCREEN,
    "vangram.studio.serve": HEAVY | {"typer", "rich"},
}
"""What a fresh process has not loaded after importing a module."""

Graph = Mapping[str, set[str]]
"""Module -> the modules of the package that it imports, anywhere in it."""


def loaded(module: str) -> set[str]:
    """The modules in a fresh process after one import."""
    script = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    return set(json.loads(done.stdout))


def room(module: str) -> str:
    """The folder or file that a module belongs to; "" for the package itself."""
    return (*module.split("."), "")[1]


@cache
def sources() -> dict[Path, str]:
    return {path: path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}


def named() -> dict[str, str]:
    """Source by module; a folder's `__init__` has the folder's name."""
    found = {}
    for path, text in sources().items():
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = text
    return found


def imports(text: str) -> set[str]:
    """Every module or name that a source imports, in full.

    Those for types alone and those inside functions count: who names a thing knows it.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def graph(modules: Mapping[str, str]) -> Graph:
    """Which module imports which.

    `from vangram.kernels import gemm` imports the file `kernels/gemm.py`, where there is one, and
    the room's `__init__` otherwise. That Python runs a room's `__init__` before any of its files
    is no edge: inside a room files import each other by their own names.
    """
    edges: dict[str, set[str]] = {}
    for module, text in modules.items():
        edges[module] = set()
        for name in imports(text):
            while name and name not in modules:
                name = name.rpartition(".")[0]
            if name:
                edges[module].add(name)
    return edges


def circle(edges: Graph) -> list[str]:
    """Modules that import each other in a ring; none, if there is no ring."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def upward(edges: Graph) -> list[tuple[str, str]]:
    """Imports of another room that does not stand on a lower floor."""
    return [
        (module, other)
        for module, others in edges.items()
        for other in others
        if room(module) != room(other) and FLOOR[room(other)] >= FLOOR[room(module)]
    ]


def rooms_only() -> dict[str, str]:
    """All modules but the package's own `__init__`."""
    return {name: text for name, text in named().items() if name != "vangram"}


@pytest.mark.parametrize("module", ABSENT)
def test_import_loads_nothing_that_its_floor_does_not_need(module: str) -> None:
    web = room(module) == "studio"
    if web:
        pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
    modules = loaded(module)
    assert module in modules
    assert not {name for name in modules if name in ABSENT[module] | (set() if web else WEB)}
    # The package's own __init__ is on the way to each of them, and imports nothing of ours.
    ours = {name for name in modules if name.startswith("vangram.")}
    if module == "vangram":
        assert not ours
    else:
        assert not {name for name in ours if FLOOR[room(name)] > FLOOR[room(module)]}


def test_every_source_file_stands_on_a_floor() -> None:
    assert len(rooms_only()) > 30
    assert {room(module) for module in rooms_only()} == set(FLOOR)


def test_dependencies_run_down_only() -> None:
    assert not upward(graph(rooms_only()))


def test_no_file_imports_itself_by_way_of_others() -> None:
    assert not circle(graph(rooms_only()))


IMPORTS_RUN = [
    "from vangram.run import Run",
    "import vangram.run.run",
    "def late() -> None:\n    from vangram.run.run import Run",
    "if TYPE_CHECKING:\n    from vangram.run import Run",
]


@pytest.mark.parametrize("line", IMPORTS_RUN)
def test_import_from_a_higher_floor_is_found(line: str) -> None:
    modules = rooms_only()
    modules["vangram.images.read"] += f"\n{line}\n"
    ((module, other),) = upward(graph(modules))
    assert module == "vangram.images.read"
    assert room(other) == "run"


def test_import_from_the_same_floor_is_found() -> None:
    modules = rooms_only()
    modules["vangram.images.read"] += "\nfrom vangram.kernels import gemm\n"
    assert upward(graph(modules)) == [("vangram.images.read", "vangram.kernels.gemm")]


def test_circle_in_a_room_is_found() -> None:
    modules = rooms_only()
    modules["vangram.losses.moments"] += "\ndef late() -> None:\n    import vangram.losses.gram\n"
    assert set(circle(graph(modules))) == {"vangram.losses.moments", "vangram.losses.gram"}
    assert not upward(graph(modules))


def test_circle_through_a_rooms_own_init_is_found() -> None:
    modules = rooms_only()
    modules["vangram.losses.moments"] += "\nfrom vangram.losses import content_loss\n"
    assert {"vangram.losses", "vangram.losses.moments"} <= set(circle(graph(modules)))


def test_no_name_of_a_room_hides_one_of_its_files() -> None:
    """Otherwise `from vangram.losses import gram` would mean a function or a module."""
    folders = {module for module in named() if any(m.startswith(f"{module}.") for m in named())}
    for module in named():
        folder, _, name = module.rpartition(".")
        if folder in folders and name != "__main__":
            importlib.import_module(module)
            found = getattr(importlib.import_module(folder), name)
            assert found is sys.modules[module], module


def test_optimisers_know_no_engine_and_no_network() -> None:
    for module, others in graph(rooms_only()).items():
        if room(module) == "optimize":
            assert not set(map(room, others)) & {"engines", "networks", "losses"}, module


def test_kernels_are_one_room_to_all_others() -> None:
    for module, others in graph(rooms_only()).items():
        if room(module) != "kernels":
            assert {other for other in others if room(other) == "kernels"} <= {"vangram.kernels"}


@pytest.mark.parametrize(
    ("libraries", "home"),
    [
        (PICTURES, "images"),
        ({"llvmlite"}, "kernels"),
        ({"av"}, "film"),
        (WEB - {"http.server"}, "studio"),
    ],
)
def test_library_is_known_to_one_room_alone(libraries: set[str], home: str) -> None:
    users = {
        room(module)
        for module, text in named().items()
        if any(name.split(".")[0] in libraries for name in imports(text))
    }
    assert users == {home}


def test_only_the_command_line_prints_or_exits() -> None:
    for module, text in named().items():
        if room(module) == "cli":
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "exit", "quit", "input"), module
                assert called not in ("sys.exit", "os._exit", "sys.stdout.write"), module
        assert not {name.split(".")[0] for name in imports(text)} & {"typer", "rich"}, module


def test_no_file_asserts_what_users_can_get_wrong() -> None:
    # `python -O` drops assertions, so they are for our own invariants, never for settings.
    for module in ("vangram.settings.recipe", "vangram.settings.record"):
        tree = ast.parse(named()[module])
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]


def drawn(text: str) -> list[str]:
    """The files and folders of the package in the tree that CONTRIBUTING draws, in its order."""
    tree = text.split("```\nsrc/vangram/\n")[1].split("```")[0]
    return re.findall(r"^  ([\w.]+/?) ", tree, re.M)


def test_tree_in_contributing_is_that_of_the_package() -> None:
    there = [
        path.name + "/" * path.is_dir()
        for path in PACKAGE.iterdir()
        if path.name not in ("py.typed", "__pycache__")
    ]
    tree = drawn((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert sorted(tree) == sorted(there)
    floors = [name.removesuffix("/").removesuffix(".py") for name in tree]
    assert [name for name in floors if name in FLOOR] == [name for row in FLOORS for name in row]


def test_files_that_contributing_names_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    names = re.findall(r"`([\w./-]+(?:/|\.py|\.md))`", text)
    assert len(names) > 10
    for name in names:
        assert (PACKAGE / name).exists() or (ROOT / name).exists(), name
