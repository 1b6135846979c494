"""The folder keeps to its floor."""

import ast
from pathlib import Path

import vangram.images

FOLDER = Path(vangram.images.__file__).parent


def imported(path: Path) -> set[str]:
    """The modules that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


BELOW = {"vangram.errors", "vangram.storage.files", "vangram.storage.tensors"}


def test_images_import_only_themselves_and_what_is_below() -> None:
    files = sorted(FOLDER.glob("*.py"))
    assert len(files) > 5
    for path in files:
        for name in imported(path):
            if name.split(".")[0] == "vangram":
                assert name in BELOW or name.startswith("vangram.images"), path.name


def test_images_import_no_optional_library() -> None:
    for path in FOLDER.glob("*.py"):
        assert not {name for name in imported(path) if name.startswith("tifffile")}, path.name


def test_public_names_are_those_listed() -> None:
    modules = {path.stem for path in FOLDER.glob("*.py")}
    public = {name for name in vars(vangram.images) if not name.startswith("_")} - modules
    assert sorted(public) == sorted(vangram.images.__all__)
