"""A study being made: picture by picture, each kept on disk, so that it can go on later."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vangram.command import command_of
from vangram.errors import LayerError, SettingError
from vangram.files import replacing
from vangram.given import device_for, versions_on
from vangram.images import Picture, fit, read_picture, resize, write_picture
from vangram.networks import load_network
from vangram.networks.registry import network_named
from vangram.recipe import Recipe
from vangram.study.figures import Figure, Section, sections
from vangram.stylize import Run


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
    """How far a study is."""

    made: int
    """Pictures that are there."""
    of: int
    caption: str
    """Of the picture in the making."""
    done: float
    """Share of that picture."""


@dataclass(frozen=True)
class Study:
    """A study that is prepared and checked."""

    recipe: Recipe
    """What all its pictures have in common."""
    sections: tuple[Section, ...]
    originals: Mapping[str, Picture]
    """The pictures given, by path."""
    parameters: str | None
    """A file that the network is read from instead of its own."""
    fixed: str
    """What the pictures depend on beside their recipes: inputs, network, versions."""

    @classmethod
    def prepare(
        cls, photo: str, paintings: Sequence[str], recipe: Recipe, parameters: str | None = None
    ) -> Study:
        """Read and check everything that is needed, and compute nothing yet.

        Args:
            photo: path of the photograph.
            paintings: paths, at least one.
            recipe: size, steps, network, pooling, ... of all pictures.
            parameters: as above.

        Raises:
            InputError: something given cannot be used.
        """
        if not paintings:
            raise SettingError("a study needs at least one painting")
        originals = {path: read_picture(path) for path in (photo, *paintings)}
        layers, network_sha256 = _layers(recipe, parameters)
        versions = versions_on(device_for(recipe.device))
        digests = {path: picture.sha256 for path, picture in originals.items()}
        fixed = json.dumps([digests, network_sha256, versions], sort_keys=True)
        figures = tuple(sections(photo, paintings, recipe, layers))
        study = cls(recipe, figures, originals, parameters, fixed)
        for section in figures:
            study._run(section.figures[-1])  # where it is too small, and what else may be wrong
        return study

    def make(self, folder: Path) -> Iterator[Progress]:
        """Make the pictures that are not in a folder yet.

        Raises:
            OutputError: one cannot be written.
            DivergedError: an optimisation failed.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for path, picture in self.originals.items():
            size = fit(picture.size, self.recipe.size)
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
        recipe = json.dumps([figure.recipe.to_dict(), figure.inputs], sort_keys=True)
        return hashlib.sha256((recipe + self.fixed).encode()).hexdigest()[:20]

    def original(self, path: str, folder: Path) -> Path:
        """Where a given picture lies at the study's size."""
        return folder / f"original-{list(self.originals).index(path)}.png"

    def _run(self, figure: Figure) -> Run:
        return Run.of(figure.inputs | {"parameters": self.parameters}, figure.recipe)

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


def _layers(recipe: Recipe, parameters: str | None) -> tuple[tuple[str, ...], str]:
    """The first layer of each block that the network has, and the SHA-256 of its parameters."""
    topology = network_named(recipe.network).topology
    layers = tuple(layer for layer in topology.layers if layer.endswith("_1"))
    while True:
        try:
            network = load_network(recipe.network, layers=layers, parameters=parameters)
        except LayerError:
            if parameters is None or len(layers) == 1:
                raise
            layers = layers[:-1]  # a file may hold the first blocks alone
        else:
            return layers, network.sha256
