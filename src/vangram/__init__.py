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
    from vangram.errors import DivergedError as DivergedError
    from vangram.errors import InputError as InputError
    from vangram.errors import VangramError as VangramError
    from vangram.looks import preset as preset
    from vangram.optimize import Checkpoint as Checkpoint
    from vangram.optimize import Step as Step
    from vangram.optimize import read_checkpoint as read_checkpoint
    from vangram.optimize import write_checkpoint as write_checkpoint
    from vangram.painting import Painting as Painting
    from vangram.recipe import Recipe as Recipe
    from vangram.recipe_file import read_recipe_file as read_recipe_file
    from vangram.recipe_file import write_recipe_file as write_recipe_file
    from vangram.record import Record as Record
    from vangram.stylize import Run as Run
    from vangram.stylize import reconstruct as reconstruct
    from vangram.stylize import stylize as stylize
    from vangram.stylize import texture as texture

_HOMES = {
    "Checkpoint": "vangram.optimize",
    "DivergedError": "vangram.errors",
    "InputError": "vangram.errors",
    "Painting": "vangram.painting",
    "Recipe": "vangram.recipe",
    "Record": "vangram.record",
    "Step": "vangram.optimize",
    "Run": "vangram.stylize",
    "VangramError": "vangram.errors",
    "preset": "vangram.looks",
    "read_checkpoint": "vangram.optimize",
    "read_recipe_file": "vangram.recipe_file",
    "reconstruct": "vangram.stylize",
    "stylize": "vangram.stylize",
    "texture": "vangram.stylize",
    "write_checkpoint": "vangram.optimize",
    "write_recipe_file": "vangram.recipe_file",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vangram' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__]
