"""A gallery being made: picture by picture, each kept on disk, so that it can go on later."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vangram.images import Picture, fit, read_picture, resize, write_picture
from vangram.networks import load_network
from vangram.reports.figures import Figure, Section
from vangram.run import Run
from vangram.run.inputs import device_for, versions_on
from vangram.settings.command import command_of
from vangram.storage.files import replacing


@dataclass(frozen=True)
class Made:
    """A picture that is there."""

    picture: Path
    losses: tuple[float, ...]
    """By step, over all levels."""
    seconds: float
    command: list[str]
    """The words that make it again."""


@dataclass(frozen=True)
class Progress:
    """How far a gallery is."""

    made: int
    """Pictures that are there."""
    of: int
    caption: str
    """Of the picture in the making."""
    done: float
    """Share of that picture."""


@dataclass(frozen=True)
class Gallery:
    """Pictures to make that are prepared and checked, and what is said of them."""

    title: str
    text: str
    sections: tuple[Section, ...]
    originals: Mapping[str, Picture]
    """The pictures given, by path."""
    parameters: str | None
    """A file that the network is read from instead of its own."""
    fixed: str
    """What the pictures depend on beside their recipes: inputs, network, versions."""

    @classmethod
    def prepare(
        cls, title: str, text: str, sections: Sequence[Section], parameters: str | None = None
    ) -> Gallery:
        """Read and check everything that is needed, and compute nothing yet.

        Args:
            title: of the page.
            text: what is said of all pictures.
            sections: the pictures.
            parameters: as above.

        Raises:
            InputError: something given cannot be used.
        """
        figures = [figure for section in sections for figure in section.figures]
        paths = dict.fromkeys(path for f in figures for path in f.inputs)
        originals = {path: read_picture(path) for path in paths}
        digests = {path: picture.sha256 for path, picture in originals.items()}
        fixed = json.dumps([digests, *_means(figures, parameters)], sort_keys=True)
        gallery = cls(title, text, tuple(sections), originals, parameters, fixed)
        for figure in _unlike(figures):
            gallery._run(figure)  # where it is too small, and what else may be wrong
        return gallery

    def make(self, folder: Path) -> Iterator[Progress]:
        """Make the pictures that are not in a folder yet.

        Raises:
            OutputError: one cannot be written.
            DivergedError: an optimisation failed.
        """
        folder.mkdir(parents=True, exist_ok=True)
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
        """A figure's picture in a folder; None where it is not there, or not whole."""
        picture = folder / f"{self.key(figure)}.png"
        try:
            values = json.loads(picture.with_suffix(".json").read_text(encoding="utf-8"))
            made = Made(picture, tuple(values["losses"]), values["seconds"], values["command"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return made if picture.exists() else None

    def key(self, figure: Figure) -> str:
        """A name for a figure's picture, which another recipe, input or version changes."""
        inputs = {str(name): path for name, path in figure.inputs.named()}
        recipe = json.dumps([figure.recipe.to_dict(), inputs], sort_keys=True)
        return hashlib.sha256((recipe + self.fixed).encode()).hexdigest()[:20]

    def original(self, path: str, folder: Path) -> Path:
        """Where a given picture lies at the largest figure's size."""
        return folder / f"original-{list(self.originals).index(path)}.png"

    def _run(self, figure: Figure) -> Run:
        return Run.of(replace(figure.inputs, parameters=self.parameters), figure.recipe)

    def _make(self, figure: Figure, folder: Path, number: int, of: int) -> Iterator[Progress]:
        yield Progress(number, of, figure.caption, 0.0)
        run, losses, began = self._run(figure), [], time.monotonic()
        for step in run:
            losses.append(step.loss)
            yield Progress(number, of, figure.caption, step.done)
        picture = folder / f"{self.key(figure)}.png"
        run.painting(step.image).save(picture)
        values = {
            "losses": losses,
            "seconds": time.monotonic() - began,
            "command": command_of(run.record, "picture.png"),
        }
        with replacing(picture.with_suffix(".json")) as handle:  # last: so that both are whole
            handle.write(json.dumps(values).encode())


def _means(
    figures: Sequence[Figure], parameters: str | None
) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """SHA-256 of the parameters of each network, and the versions on each device."""
    recipes = [figure.recipe for figure in figures]
    versions = {r.device: versions_on(device_for(r.device)) for r in recipes}
    unlike = {recipe.network: recipe for recipe in recipes}
    networks = {
        name: load_network(name, layers=recipe.layers, parameters=parameters).sha256
        for name, recipe in unlike.items()
    }
    return networks, versions


def _unlike(figures: Sequence[Figure]) -> list[Figure]:
    """One figure of each kind that may be refused for a reason of its own."""
    kinds = {}
    for figure in figures:
        r = figure.recipe
        settings = r.size, r.layers, r.network, r.units, r.device, r.memory, r.tile
        kinds[settings, figure.inputs] = figure
    return list(kinds.values())
