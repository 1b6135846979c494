"""A sweep as a job: the pictures of `vangram.reports`, cheapest first, and their sheet and page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vangram.reports.figures import Figure, Section
from vangram.reports.gallery import Gallery
from vangram.reports.page import report
from vangram.reports.sweep import Varied, write_grid
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe
from vangram.storage.files import replacing

SHEET, PAGE = "sheet.png", "page.html"
"""All pictures as one, labelled; a page to keep."""


@dataclass(frozen=True)
class Sweep:
    """Pictures that differ by one or two settings, in their own folder."""

    gallery: Gallery
    figures: tuple[Figure, ...]
    """Figures in the order of the values."""
    varied: tuple[Varied, ...]
    folder: Path

    @classmethod
    def prepare(cls, job: Mapping[str, Any]) -> Sweep:
        """Read and check everything; errors as `vangram.reports.gallery.Gallery.prepare`."""
        given = dict(job["inputs"])
        styles, style_masks = (tuple(given.pop(name, ())) for name in ("styles", "style_masks"))
        inputs = Inputs[str](styles=styles, style_masks=style_masks, **given)
        figures = tuple(
            Figure(said(cell["values"]), Recipe.from_dict(cell["settings"]), inputs)
            for cell in job["cells"]
        )
        varied = tuple(
            Varied(name, tuple(map(str, values))) for name, values in job["vary"].items()
        )
        section = Section("", "", len(varied[-1].values), figures)
        gallery = Gallery.prepare("A sweep", "Made by VanGram's studio.", [section])
        return cls(gallery, figures, varied, Path(job["output"]))

    def make(self) -> Iterator[dict[str, Any]]:
        """Make the missing pictures, those of fewer steps first; yields the progress.

        Each value says in `cells` which picture of `folder` a cell has, or None.
        """
        cheapest = sorted(self.figures, key=lambda figure: figure.recipe.steps)
        ordered = replace(self.gallery, sections=(Section("", "", 1, tuple(cheapest)),))
        before = -1
        for at in ordered.make(self.folder):
            done = (at.made + at.done % 1) / at.of
            yield {
                "made": at.made,
                "of": at.of,
                "caption": at.caption,
                "done": done,
                "cells": self.pictures() if at.made != before else None,
            }
            before = at.made

    def pictures(self) -> list[str | None]:
        """File name of each cell's picture; None before it is made."""
        found = (self.gallery.made(figure, self.folder) for figure in self.figures)
        return [None if made is None else made.picture.name for made in found]

    def finish(self) -> None:
        """Write the sheet and the page."""
        write_grid(self.folder / SHEET, self.varied, self.gallery, self.folder)
        with replacing(self.folder / PAGE) as handle:
            handle.write(report(self.gallery, self.folder).encode())


def said(values: Mapping[str, Any]) -> str:
    """The values of a cell in words."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
