"""A gallery: pictures made one by one and kept on disk, so that it can be continued."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vangram.images import Picture, fit, read_picture, resize, write_picture
from vangram.reports.figures import Figure, Section
from vangram.run import Run
from vangram.run.inputs import RunSource
from vangram.run.network import device_for, network_for
from vangram.run.result import versions_on
from vangram.settings.command import command_of
from vangram.settings.inputs import Inputs
from vangram.storage.files import make_folder, open_regular, replacing


@dataclass(frozen=True)
class Made:
    """A finished picture."""

    picture: Path
    losses: tuple[float, ...]
    """Loss of each step, over all levels."""
    seconds: float
    command: list[str]
    """The command that makes the picture again."""


@dataclass(frozen=True)
class Progress:
    """Progress of a gallery."""

    made: int
    """Number of finished pictures."""
    of: int
    caption: str
    """Caption of the picture being made."""
    done: float
    """Finished share of that picture."""


@dataclass(frozen=True)
class Gallery:
    """Pictures to make, checked, with title and text."""

    title: str
    text: str
    sections: tuple[Section, ...]
    originals: Mapping[str, Picture]
    """Path -> decoded input."""
    parameters: str | None
    """A file with the network's parameters, instead of the published one."""
    fixed: str
    """Hashes of inputs and networks, and versions, as JSON: all that the pictures depend on beside
    their recipes."""

    @classmethod
    def prepare(
        cls, title: str, text: str, sections: Sequence[Section], parameters: str | None = None
    ) -> Gallery:
        """Read and check everything that the pictures need; nothing is computed yet.

        Args:
            title: of the page.
            text: below the title.
            sections: the pictures.
            parameters: a file with the network's parameters, instead of the published one.

        Raises:
            InputError: an input cannot be used.
        """
        figures = [figure for section in sections for figure in section.figures]
        paths = dict.fromkeys(path for f in figures for path in f.inputs)
        originals = {path: read_picture(path) for path in paths}
        digests = {path: picture.sha256 for path, picture in originals.items()}
        fixed = json.dumps([digests, *_hashes_and_versions(figures, parameters)], sort_keys=True)
        gallery = cls(title, text, tuple(sections), originals, parameters, fixed)
        for figure in _unlike(figures):
            gallery._run(figure)  # raises what would be wrong with it
        return gallery

    def make(self, folder: Path) -> Iterator[Progress]:
        """Make the pictures that are missing in a folder.

        Raises:
            OutputError: one cannot be written.
            DivergedError: an optimisation failed.
        """
        make_folder(folder)
        largest = max(f.recipe.size for section in self.sections for f in section.figures)
        for path, picture in self.originals.items():
            size = fit(picture.size, largest)
            write_picture(self.original(path, folder), resize(picture.pixels, size))
        figures = {self.key(f): f for section in self.sections for f in section.figures}
        for number, figure in enumerate(figures.values()):
            if self.made(figure, folder) is None:
                yield from self._make(figure, folder, number, len(figures))
            yield Progress(number + 1, len(figures), figure.caption, 1.0)

    def made(self, figure: Figure, folder: Path) -> Made | None:
        """A figure's picture in a folder; None if it is missing or incomplete."""
        picture = self.picture(figure, folder)
        try:
            with open_regular(picture.with_suffix(".json")) as handle:
                values = json.load(handle)
            losses, seconds = tuple(map(float, values["losses"])), float(values["seconds"])
            made = Made(picture, losses, seconds, list(map(str, values["command"])))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return made if losses and picture.is_file() else None

    def key(self, figure: Figure) -> str:
        """Name of a figure's picture; it changes with recipe, inputs and versions."""
        inputs = {str(name): path for name, path in figure.inputs.named()}
        recipe = json.dumps([figure.recipe.to_dict(), inputs], sort_keys=True)
        return hashlib.sha256((recipe + self.fixed).encode()).hexdigest()[:20]

    def picture(self, figure: Figure, folder: Path) -> Path:
        """Path of a figure's picture."""
        return folder / f"{self.key(figure)}.png"

    def original(self, path: str, folder: Path) -> Path:
        """Path of an input at the largest figure's size."""
        return folder / f"original-{list(self.originals).index(path)}.png"

    def _run(self, figure: Figure) -> Run:
        decoded: Inputs[RunSource] = figure.inputs.map(self.originals.__getitem__)
        return Run.of(replace(decoded, parameters=self.parameters), figure.recipe)

    def _make(self, figure: Figure, folder: Path, number: int, of: int) -> Iterator[Progress]:
        yield Progress(number, of, figure.caption, 0.0)
        run, losses, began = self._run(figure), [], time.monotonic()
        for step in run:
            losses.append(step.loss)
            yield Progress(number, of, figure.caption, step.done)
        picture = self.picture(figure, folder)
        run.painting(step.image).save(picture, overwrite=True)
        values = {
            "losses": losses,
            "seconds": time.monotonic() - began,
            "command": command_of(run.record, "picture.png"),
        }
        # Written last, so that a picture with a file of values is complete.
        with replacing(picture.with_suffix(".json")) as handle:
            handle.write(json.dumps(values).encode())


def _hashes_and_versions(
    figures: Sequence[Figure], parameters: str | None
) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """SHA-256 of the parameters of each network, and the versions on each device."""
    recipes = [figure.recipe for figure in figures]
    versions = {r.device: versions_on(device_for(r.device)) for r in recipes}
    unlike = {recipe.network: recipe for recipe in recipes}
    networks = {
        name: network_for(recipe, parameters, device_for(recipe.device)).sha256
        for name, recipe in unlike.items()
    }
    return networks, versions


def _unlike(figures: Sequence[Figure]) -> list[Figure]:
    """One figure for each combination of settings that may be refused."""
    kinds = {}
    for figure in figures:
        r = figure.recipe
        settings = r.size, r.layers, r.network, r.units, r.device, r.memory, r.tile
        kinds[settings, figure.inputs] = figure
    return list(kinds.values())
