"""VanGram repaints a picture in the style of another, by optimisation.

    import vangram
    vangram.stylize("photo.jpg", "painting.jpg", size=1024).save("out.png")

The names below are the public ones. They are imported when first used, so that the command line
need not wait for torch to say what it can do.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from vangram.api import reconstruct as reconstruct
    from vangram.api import stylize as stylize
    from vangram.api import texture as texture
    from vangram.errors import DivergedError as DivergedError
    from vangram.errors import InputError as InputError
    from vangram.errors import VangramError as VangramError
    from vangram.optimize import Step as Step
    from vangram.run import Checkpoint as Checkpoint
    from vangram.run import Painting as Painting
    from vangram.run import Run as Run
    from vangram.run import read_checkpoint as read_checkpoint
    from vangram.run import write_checkpoint as write_checkpoint
    from vangram.run.recipe_file import read_recipe_file as read_recipe_file
    from vangram.settings.presets import preset as preset
    from vangram.settings.recipe import Recipe as Recipe
    from vangram.settings.record import Record as Record
    from vangram.settings.toml import write_recipe_file as write_recipe_file

_HOMES = {
    "Checkpoint": "vangram.run",
    "DivergedError": "vangram.errors",
    "InputError": "vangram.errors",
    "Painting": "vangram.run",
    "Recipe": "vangram.settings.recipe",
    "Record": "vangram.settings.record",
    "Step": "vangram.optimize",
    "Run": "vangram.run",
    "VangramError": "vangram.errors",
    "preset": "vangram.settings.presets",
    "read_checkpoint": "vangram.run",
    "read_recipe_file": "vangram.run.recipe_file",
    "reconstruct": "vangram.api",
    "stylize": "vangram.api",
    "texture": "vangram.api",
    "write_checkpoint": "vangram.run",
    "write_recipe_file": "vangram.settings.toml",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("vangram")
    if name not in _HOMES:
        raise AttributeError(f"module 'vangram' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__]
