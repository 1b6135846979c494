"""Bodies of requests, and the recipes that they describe."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from vangram.errors import SettingError
from vangram.settings.kinds import RECONSTRUCT, STYLIZE, SYNTHESIZE
from vangram.settings.kinds import Kind as RunKind
from vangram.settings.presets import preset_settings
from vangram.settings.recipe import Recipe

MOST_CELLS = 100
"""Most pictures of a sweep."""
SWEPT = 192
"""Longer side of a sweep's pictures in pixels, as the command's own default."""
KINDS: Mapping[str, RunKind] = {
    "stylize": STYLIZE,
    "texture": SYNTHESIZE,
    "reconstruct": RECONSTRUCT,
    "sweep": replace(STYLIZE, changes={"size": SWEPT}),
}
"""Kind of job -> kind of its runs, with their inputs and defaults."""

Kind = Literal["stylize", "texture", "reconstruct", "sweep"]
Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[0-9a-z]+$")]
Text = Annotated[str, Field(min_length=1, max_length=200)]


class Body(BaseModel):
    """A JSON body; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class JobBody(Body):
    """Kind, inputs and settings of a new job."""

    kind: Kind
    content: Id | None = None
    styles: Annotated[list[Id], Field(max_length=16)] = []
    mask: Id | None = None
    style_masks: Annotated[list[Id], Field(max_length=16)] = []
    keep: Id | None = None
    start: Id | None = None
    settings: Annotated[dict[Text, Any], Field(max_length=100)] = {}
    preset: Text | None = None
    strength: float | None = None
    format: Literal["png", "jpg", "webp", "tif"] = "png"
    draft: bool = False
    vary: Annotated[dict[Text, list[Any]], Field(min_length=1, max_length=2)] | None = None

    @property
    def inputs(self) -> dict[str, Any]:
        """Name of an input, as in `vangram.run.Run.prepare` -> id or ids of pictures."""
        named = {"content": self.content, "styles": self.styles, "start": self.start}
        return named | {"mask": self.mask, "style_masks": self.style_masks, "keep": self.keep}

    def pictures(self) -> Iterator[str]:
        """Every id of a picture."""
        for value in self.inputs.values():
            yield from value if isinstance(value, list) else filter(None, [value])


class MoveBody(Body):
    """New place of a job in the queue; exactly one field is given."""

    to: Literal["first", "last"] | None = None
    before: Id | None = None


class QueueBody(Body):
    """Whether the queue is held."""

    held: bool


class StarBody(Body):
    """Whether a picture has a star."""

    starred: bool


@dataclass(frozen=True)
class Cell:
    """One picture that a job makes."""

    values: Mapping[str, Any]
    """Setting -> value of a sweep's cell; empty for other jobs."""
    recipe: Recipe


def cells_of(body: JobBody) -> list[Cell]:
    """The pictures that a job makes.

    Raises:
        SettingError: a setting is out of range, or fields contradict each other.
        RecipeError: a setting is unknown.
    """
    _check(body)
    cells = []
    for values in _combinations(body.vary or {}):
        own = {name: value for name, value in values.items() if name not in ("preset", "strength")}
        preset = values.get("preset", body.preset)
        strength = values.get("strength", body.strength)
        named = {} if preset is None else preset_settings(preset)
        settings = {**KINDS[body.kind].changes, **named, **body.settings, **own}
        if body.start is not None:
            settings.setdefault("init", "picture")
        recipe = Recipe.from_dict(settings)
        if strength is not None:
            recipe = recipe.strengthened(strength)
        if recipe.init == "before" or (recipe.init == "picture") != (body.start is not None):
            raise SettingError("init is content or noise, or picture together with start")
        cells.append(Cell(values, recipe))
    return cells


def _check(body: JobBody) -> None:
    """Refuse inputs and settings that a kind of job does not take."""
    kind = body.kind
    if kind != "texture" and body.content is None:
        raise SettingError(f"{kind} needs a photograph; give its id as content")
    if kind != "reconstruct" and not body.styles:
        raise SettingError(f"{kind} needs a painting; give its id in styles")
    unused = {"texture": ("content", "mask", "style_masks", "keep", "start"),
              "reconstruct": ("styles", "mask", "style_masks", "start")}  # fmt: skip
    for name in unused.get(kind, ()):
        if getattr(body, name):
            raise SettingError(f"{kind} takes no {name}; leave it out")
    if kind in unused and (body.preset is not None or body.strength is not None):
        raise SettingError(f"{kind} takes no preset and no strength; leave them out")
    if (kind == "sweep") != (body.vary is not None):
        raise SettingError("vary is for a sweep, and a sweep needs it: one or two settings")
    if body.strength is not None and "style_weight" in body.settings:
        raise SettingError("strength sets the style weight; give it or style_weight, not both")


def _combinations(vary: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """Every combination of values, those of the last setting changing first."""
    count = 1
    for name, values in vary.items():
        if not values:
            raise SettingError(f"vary needs values of {name}; give a list of them")
        count *= len(values)
    if count > MOST_CELLS:
        raise SettingError(f"a sweep makes {MOST_CELLS} pictures at most here; vary less at a time")
    return [dict(zip(vary, values, strict=True)) for values in itertools.product(*vary.values())]
