"""The contents of a page: figures in sections."""

from __future__ import annotations

from dataclasses import dataclass

from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe


@dataclass(frozen=True)
class Figure:
    """One picture: its caption, recipe and inputs."""

    caption: str
    recipe: Recipe
    inputs: Inputs[str]
    """Paths of the inputs."""


@dataclass(frozen=True)
class Section:
    """A group of pictures, in rows of `columns`."""

    title: str
    text: str
    columns: int
    figures: tuple[Figure, ...]
