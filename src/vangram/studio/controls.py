"""Description of every setting, kind of job and preset, for the controls of a page."""

from __future__ import annotations

from typing import Any

from vangram.settings.presets import PRESETS
from vangram.settings.recipe import DEFAULT_STRENGTH, STRENGTH_EXPONENT, STRENGTHS, Recipe
from vangram.studio.requests import KINDS

HIDDEN = "before"
"""An input of films, and the value of `init` that needs it; the studio's jobs have neither."""


def controls() -> dict[str, Any]:
    """The body of `GET /api/v1/settings`."""
    schema = schema_of_settings()
    least, most = STRENGTHS
    properties = schema["properties"].values()
    return {
        "schema": schema,
        "groups": list(dict.fromkeys(each["group"] for each in properties)),
        "kinds": {
            name: {"given": sorted(kind.given - {HIDDEN}), "defaults": dict(kind.changes)}
            for name, kind in KINDS.items()
        },
        "presets": {name: dict(changes) for name, changes in PRESETS.items()},
        "strength": {
            "minimum": least,
            "maximum": most,
            "default": DEFAULT_STRENGTH,
            "exponent": STRENGTH_EXPONENT,
        },
    }


def schema_of_settings() -> dict[str, Any]:
    """JSON schema of a job's settings, in the order to show them in."""
    schema = Recipe.model_json_schema()
    properties = {
        name: each
        for name, each in schema["properties"].items()
        if HIDDEN not in each.get("needs", ())
    }
    for each in properties.values():
        if HIDDEN in each.get("enum", ()):
            each["enum"] = [value for value in each["enum"] if value != HIDDEN]
    return schema | {"properties": properties}
