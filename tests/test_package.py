"""The public names."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path

import pytest

import vangram
from vangram import errors

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def in_a_fresh_process(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.strip()


@pytest.mark.parametrize("name", vangram.__all__)
def test_public_name_resolves_to_what_its_home_has(name: str) -> None:
    value = getattr(vangram, name)
    home = import_module(value.__module__)
    assert getattr(home, name) is value
    assert value.__doc__


def test_public_names_are_those_listed() -> None:
    assert sorted(vangram.__all__) == sorted(vangram.__dir__())
    assert sorted(vangram.__all__) == [
        "Checkpoint",
        "DivergedError",
        "InputError",
        "Painting",
        "Recipe",
        "Record",
        "Run",
        "Step",
        "VangramError",
        "preset",
        "read_checkpoint",
        "read_recipe_file",
        "reconstruct",
        "stylize",
        "texture",
        "write_checkpoint",
        "write_recipe_file",
    ]


def test_public_names_are_those_that_type_checkers_see() -> None:
    source = (vangram.__file__ or "").strip()
    with open(source, encoding="utf-8") as handle:
        text = handle.read()
    for name in vangram.__all__:
        assert f"import {name} as {name}" in text


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'stylise'"):
        _ = vangram.stylise


def test_every_module_keeps_to_its_all() -> None:
    rooms = (
        "losses",
        "images",
        "kernels",
        "networks",
        "objective",
        "engines",
        "optimize",
        "run",
        "batch",
    )
    for name in rooms:
        module = import_module(f"vangram.{name}")
        for public in module.__all__:
            assert hasattr(module, public), f"{name}.{public}"


def test_stylize_stays_callable_whatever_was_imported_before() -> None:
    firsts = [
        "import vangram.api",
        "from vangram.run import Run",
        "import vangram; vangram.stylize",
        "import vangram; vangram.Run",
        "import vangram.cli.begin",
    ]
    script = (
        "import sys\n"
        f"for first in {firsts!r}:\n"
        "    for name in [name for name in sys.modules if name.split('.')[0] == 'vangram']:\n"
        "        del sys.modules[name]\n"
        "    exec(first)\n"
        "    import vangram\n"
        "    try:\n        vangram.stylize('missing.png', 'missing.png')\n"
        "    except vangram.InputError as error:\n        print(error)\n"
    )
    said = in_a_fresh_process(script).splitlines()
    assert len(said) == len(firsts)
    assert all("missing.png" in line for line in said)


def test_every_error_is_drawn_in_the_tree_and_is_ours() -> None:
    tree = errors.__doc__
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert len(classes) > 8
    for error in classes:
        assert issubclass(error, errors.VangramError)
        assert error.__name__ in tree
        depth = len(error.__mro__) - len(errors.VangramError.__mro__)
        line = next(line for line in tree.splitlines() if f"{error.__name__} " in line)
        assert ("──" in line) == (depth > 0)


def test_version_is_the_distributions() -> None:
    assert vangram.__version__ == metadata.version("vangram")
    assert "torch" not in in_a_fresh_process(
        "import sys, vangram; vangram.__version__; print(*sys.modules)"
    )


def test_package_run_as_a_module_is_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vangram", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout == f"vangram {vangram.__version__}\n"


def test_every_extra_that_messages_name_is_installed_by_the_readmes_command() -> None:
    root = Path(__file__).parent.parent
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    (everything,) = extras["all"]
    found = re.fullmatch(r"vangram\[(.*)\]", everything)
    assert found is not None
    apart = "cluster"  # 258 MB, and no use on one machine; its page installs it
    assert {*found[1].split(","), apart, "all", "dev", "docs"} == set(extras)
    sources = "".join(path.read_text() for path in (root / "src").rglob("*.py"))
    named = re.findall(r"pip install 'vangram\[(\w+)\]'", sources)
    assert len(named) > 2
    assert set(named) <= {*found[1].split(","), apart}
    page = (root / "docs" / "how-to" / "many-machines.md").read_text(encoding="utf-8")
    assert f'pip install ".[all,{apart}]"' in page
    assert '\n    pip install ".[all]"\n' in (root / "README.md").read_text(encoding="utf-8")
