"""Text forms of settings, on the command line and in files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import core_schema

from vangram.errors import SettingError

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

UNITS_OF_MEMORY = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
"""Prefix of a unit -> bytes."""


def parse_layers(text: str) -> dict[str, float]:
    """Layers and weights from text: "relu1_1,relu2_1" or "relu1_1=0.5,relu2_1=2".

    Layers without weights share a weight of 1.

    Raises:
        SettingError: a weight is no number, or a layer is named twice.
    """
    return parse_each_layers([text])[0]


def parse_each_layers(texts: Sequence[str]) -> tuple[dict[str, float], ...]:
    """Layers and weights of each painting, from a text for each.

    The layers without weights, of all paintings together, share a weight of 1.

    Raises:
        SettingError: a weight is no number, or a text names a layer twice.
    """
    named = [_named_layers(text) for text in texts]
    without = {layer for layers in named for layer, weight in layers.items() if weight is None}
    return tuple(
        {layer: 1 / len(without) if weight is None else weight for layer, weight in layers.items()}
        for layers in named
    )


def _named_layers(text: str) -> dict[str, float | None]:
    """Layers of a text with their weights; None for a layer without one."""
    layers: dict[str, float | None] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        layer, equals, weight = (piece.strip() for piece in part.partition("="))
        if layer in layers:
            raise SettingError(f"layer {layer!r} is named twice in {text!r}")
        try:
            layers[layer] = float(weight) if equals else None
        except ValueError:
            layer = ""
        if not layer:
            raise SettingError(
                f"{part!r} is no layer and weight; write it as relu3_1 or relu3_1=0.5"
            )
    return layers


def format_layers(layers: Mapping[str, float]) -> str:
    """The inverse of `parse_layers`."""
    return ",".join(f"{layer}={float(weight)!r}" for layer, weight in layers.items())


def parse_size(text: str) -> tuple[int, tuple[int, int] | None]:
    """A size from text: "1024", the longer side, or "1024x768", width and height.

    Returns:
        The longer side, and the proportions (height, width) where both sides are given.

    Raises:
        SettingError: the text is no size.
    """
    found = re.fullmatch(r"\s*(\d{1,9})\s*(?:[x×]\s*(\d{1,9}))?\s*", text, re.IGNORECASE)
    if not found:
        raise SettingError(f"{text!r} is no size; write it as 1024 or 1024x768")
    if found[2] is None:
        return int(found[1]), None
    width, height = int(found[1]), int(found[2])
    return max(width, height), (height, width)


def parse_memory(text: str) -> int:
    """Bytes from text: "4GB", "1.5 GB", "800MB".

    Raises:
        SettingError: the text is no amount.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kMGT]?)(B?)\s*", text, re.IGNORECASE)
    if not found:
        raise SettingError(f"{text!r} is no amount of memory; write it as 4GB or 800MB")
    number, prefix, byte = found.groups()
    if not prefix and not byte:
        raise SettingError(f"memory {text!r} has no unit: give one, as in 4GB or 800MB")
    return round(float(number) * UNITS_OF_MEMORY[prefix.upper()])


def format_memory(size: int) -> str:
    """The inverse of `parse_memory`."""
    return f"{size}B"


def _numbers(kind: type[int] | type[float], fault: str) -> Callable[[str], tuple[float, ...]]:
    """A parser of numbers separated by commas; `fault` ends the message where one is none."""

    def parse(text: str) -> tuple[float, ...]:
        try:
            return tuple(kind(part) for part in text.split(","))
        except ValueError:
            raise SettingError(f"{text!r} {fault}") from None

    return parse


def _format_numbers(numbers: Iterable[float]) -> str:
    return ",".join(map(repr, numbers))


@dataclass(frozen=True)
class TextForm:
    """Text form of a setting whose values are no plain text, number or switch."""

    parse: Callable[[str], Any]
    """Text -> value; raises a `SettingError` where the text has no value."""
    format: Callable[[Any], str]
    metavar: str
    """Placeholder of the text in `--help`."""
    parse_each: Callable[[Sequence[str]], tuple[Any, ...]] | None = None
    """Texts, one for each painting -> values, where these depend on each other."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """A field that this annotates takes texts as well as values."""

        def value_of(given: Any, field: core_schema.ValidationInfo) -> Any:
            try:
                return self.parse(given) if isinstance(given, str) else given
            except SettingError as error:
                name, said = str(field.field_name), str(error)
                raise SettingError(said if said.startswith(name) else f"{name}: {said}") from None

        return core_schema.with_info_before_validator_function(value_of, handler(source))


LAYERS = TextForm(parse_layers, format_layers, "LAYERS", parse_each_layers)
SHARES = TextForm(
    _numbers(float, "are no shares; write one for each painting, as 0.7,0.3"),
    _format_numbers,
    "SHARES",
)
DISTANCES = TextForm(
    _numbers(int, "are no distances in frames; write them as 1,2,4"), _format_numbers, "FRAMES"
)
MEMORY = TextForm(parse_memory, format_memory, "AMOUNT")
