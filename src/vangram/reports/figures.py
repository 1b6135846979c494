"""What a page of pictures shows: figures, each with what makes it, in sections."""

from __future__ import annotations

from dataclasses import dataclass

from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe


@dataclass(frozen=True)
class Figure:
    """One picture: what is said of it, and what makes it."""

    caption: str
    recipe: Recipe
    inputs: Inputs[str]
    """Paths."""


@dataclass(frozen=True)
class Section:
    """Pictures that belong together, in rows of so many columns."""

    title: str
    text: str
    columns: int
    figures: tuple[Figure, ...]
