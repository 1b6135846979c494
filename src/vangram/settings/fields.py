"""A setting is declared once, as a field of a model; options, files and documents follow from it.

`setting` declares a field, `settings_of` describes the fields of a model, both in the terms of the
JSON Schema that pydantic makes of the model.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from vangram.settings.text import TextForm

M = TypeVar("M", bound=BaseModel)

SWITCH = {"yes": True, "true": True, "on": True, "1": True,
          "no": False, "false": False, "off": False, "0": False}  # fmt: skip
"""Texts of a switch and their values."""
LONGEST_VALUE = 60
"""Characters of a refused value that a message repeats."""
UNLIMITED = 1_000_000
"""Ranges that end here or above are described by their lower end alone."""


def setting(
    default: Any,
    help: str,
    *,
    group: str,
    least: float | None = None,
    most: float | None = None,
    **more: Any,
) -> Any:
    """A field of a model of settings.

    Args:
        default: the value where none is given.
        help: one line, for `--help` and the documentation.
        group: heading under which the setting is listed.
        least: smallest number.
        most: largest number.
        more: what else a description has: see `Setting`.
    """
    return Field(
        default, ge=least, le=most, description=help, json_schema_extra={"group": group, **more}
    )


def documented(model: type[M]) -> type[M]:
    """A decorator that describes each setting in the model's docstring, for `help`."""
    settings = settings_of(model).items()
    lines = (f"    {name}: {each.help} {each.described}" for name, each in settings)
    model.__doc__ = "\n".join([inspect.cleandoc(model.__doc__ or ""), "", "Attributes:", *lines])
    model.__signature__ = inspect.Signature(
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=field.default)
            for name, field in model.model_fields.items()
        ]
    )
    return model


@dataclass(frozen=True)
class Setting:
    """A field of a model of settings, as its declaration describes it."""

    name: str
    help: str
    group: str
    default: Any
    schema: Mapping[str, Any]
    """JSON Schema of the values, without null, with the declaration's other keywords."""
    text: TextForm | None = None
    """Text form of the values, where they are no plain text, number or switch."""
    unit: str = ""
    """Unit of a number."""
    unset: str = ""
    """Words for a default that does not explain itself, such as None."""
    allowed: str = ""
    """Words for the allowed values, where the type does not describe them well."""
    metavar: str = ""
    """Placeholder of the value in `--help`, where the type does not describe it well."""
    option: bool = True
    """Whether the setting has an option of its own."""
    each: str = ""
    """Name of the setting that holds one value for each painting."""
    needs: tuple[str, ...] = ()
    """Names of inputs, or "noise", without which the setting has no effect."""

    @property
    def choices(self) -> tuple[str, ...]:
        """The values, where they are listed."""
        return tuple(self.schema.get("enum", ()))

    @property
    def is_switch(self) -> bool:
        """Whether the setting is on or off."""
        return self.schema.get("type") == "boolean"

    @property
    def key(self) -> str:
        """Name with hyphens, as in its option."""
        return self.name.replace("_", "-")

    @property
    def range(self) -> str:
        """Words for the smallest and the largest number, with the unit; "" for no plain number."""
        if self.text is not None or "minimum" not in self.schema:
            return ""
        least, most = _number(self.schema["minimum"]), self.schema["maximum"]
        span = f"{least} or more" if most >= UNLIMITED else f"{least} to {_number(most)}"
        return f"{span} {self.unit}".strip()

    @property
    def values(self) -> str:
        """Words for the allowed values."""
        return f"{self.allowed or _allowed(self.schema)} {self.unit}".strip()

    @property
    def described(self) -> str:
        """Sentences on the allowed values, and on a default that does not explain itself."""
        unset = f" Default: {self.unset}." if self.unset else ""
        return f"{self.values[0].upper()}{self.values[1:]}.{unset}"

    def parse(self, text: str) -> Any:
        """The value of a text; the text itself where it has none.

        Raises:
            SettingError: the text is not in the form that the setting has.
        """
        kind = self.schema.get("type")
        try:
            if self.text is not None:
                return self.text.parse(text)
            if kind == "boolean":
                return SWITCH[text.lower()]
            return {"integer": int, "number": float}.get(str(kind), str)(text)
        except (KeyError, ValueError):
            return text

    def given(self, *texts: str) -> dict[str, Any]:
        """Name -> value of the settings made of an option, given once or once for each painting.

        Raises:
            SettingError: a text is not in the form that the setting has.
        """
        if not self.each:
            return {self.name: self.parse(texts[-1])}
        if len(texts) == 1:
            return {self.name: self.parse(texts[0]), self.each: ()}
        together = self.text.parse_each if self.text is not None else None
        return {self.each: together(texts) if together else tuple(map(self.parse, texts))}

    def format(self, value: Any) -> str:
        """The inverse of `parse`."""
        if value is None or (self.unset and value == self.default):
            return self.unset
        if isinstance(value, bool):
            return "true" if value else "false"
        return self.text.format(value) if self.text is not None else str(value)

    def words(self, value: Any, key: str | None = None) -> list[str]:
        """The option that gives a value, as words of a command.

        Args:
            value: of the setting.
            key: name of the option; None: the setting's own.
        """
        key = key or self.key
        if self.is_switch:
            return [f"--{key}" if value else f"--no-{key}"]
        return [f"--{key}", self.format(value)]


@cache
def settings_of(model: type[BaseModel]) -> Mapping[str, Setting]:
    """Each setting of a model by its name, in the order of their declaration."""
    settings = {}
    for name, schema in model.model_json_schema()["properties"].items():
        field = model.model_fields[name]
        of_value = schema.get("anyOf", [{}])[0] | schema
        text = next((each for each in field.metadata if isinstance(each, TextForm)), None)
        extra: Any = field.json_schema_extra
        settings[name] = Setting(
            name,
            field.description or "",
            default=field.default,
            schema=of_value,
            text=text,
            **extra,
        )
    return settings


def refusal(model: type[BaseModel], error: ValidationError) -> str:
    """One line on the first refused setting: its name, the allowed values, the value given."""
    first = error.errors(include_url=False, include_context=False)[0]
    # An item that is missing, and a key that is no text, are faults of what should have held them.
    above = 1 if first["type"] == "missing" else 2 if first["loc"][-1] == "[key]" else 0
    steps = first["loc"][: len(first["loc"]) - above]
    path = [step for step in steps if isinstance(step, str)]
    settings = settings_of(model)
    if path[0] not in settings:
        return f"there is no setting {path[0]!r}; there are {', '.join(sorted(settings))}"
    setting = settings[path[0]]
    schema = setting.schema
    for step in steps[1:]:
        inner = schema.get("additionalProperties") or schema.get("items")
        schema = inner or schema["prefixItems"][step]
    values = setting.values if schema is setting.schema else _allowed(schema)
    return f"{': '.join(path)} needs {values}, not {shown(first['input'])}"


def shown(value: object) -> str:
    """A value for a message, on one line of limited length; for bytes and arrays, their type."""
    if isinstance(value, bytes | bytearray | memoryview) or getattr(value, "ndim", False):
        return f"a value of type {type(value).__name__}"
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # an integer of more digits than Python prints
        return "a number of thousands of digits"
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


def _allowed(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    kind = {"integer": "a whole number", "number": "a number", "boolean": "true or false"}
    words = kind.get(schema["type"], "a name")
    if "minimum" in schema:
        words += f" from {_number(schema['minimum'])} to {_number(schema['maximum'])}"
    return words


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"
