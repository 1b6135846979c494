"""The files given to a command, by the names that a record has for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from vangram.errors import RecipeError
from vangram.settings.record import Input, Record, kind_of, numbered


def by_name(
    content: str | None,
    styles: list[str] | None,
    start: str | None,
    parameters: str | None,
    mask: str | None,
    style_masks: list[str] | None,
    keep: str | None,
    before: str | None,
    before_frame: str | None,
    flow: str | None,
) -> dict[str, str | None]:
    """What is given, by the names that a record has for it."""
    return {
        "content": content,
        **numbered("style", styles or ()),
        "start": start,
        "parameters": parameters,
        "mask": mask,
        **numbered("style-mask", style_masks or ()),
        "keep": keep,
        "before": before,
        "before-frame": before_frame,
        "flow": flow,
    }


def find_inputs(record: Record, picture: str, given: Mapping[str, str | None]) -> dict[str, str]:
    """Where the inputs are now: as given, as recorded, or by that name beside the picture.

    Raises:
        RecipeError: one is in none of these places.
    """
    return {
        name: given.get(name) or _found(recorded, picture, f"--{kind_of(name)}")
        for name, recorded in record.inputs.items()
    }


def _found(recorded: Input, picture: str, option: str) -> str:
    if recorded.sha256 is None:
        raise RecipeError(f"this picture's input came from memory; give it with {option}")
    places = Path(recorded.path), Path(picture).parent / Path(recorded.path).name
    for place in places:
        if place.exists():
            return str(place)
    raise RecipeError(f"{recorded.path!r} is no longer there; say where it is now with {option}")
