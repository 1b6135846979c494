"""What a page of pictures shows: figures, each with what makes it, in sections."""

from __future__ import annotations

from dataclasses import dataclass

from vangram.settings.recipe import Recipe


@dataclass(frozen=True)
class Figure:
    """One picture: what is said of it, and what makes it."""

    caption: str
    recipe: Recipe
    content: str | None = None
    """Path of the photograph."""
    style: str | None = None
    """Path of the painting."""
    start: str | None = None
    """Path of the first picture."""

    @property
    def inputs(self) -> dict[str, str | None]:
        """What `Run.prepare` is given."""
        return {"content": self.content, "style": self.style, "start": self.start}


@dataclass(frozen=True)
class Section:
    """Pictures that belong together, in rows of so many columns."""

    title: str
    text: str
    columns: int
    figures: tuple[Figure, ...]
