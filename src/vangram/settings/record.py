"""The record of a picture: recipe, inputs, network and versions, as JSON in its metadata."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from vangram.errors import RecipeError, SettingError
from vangram.settings.inputs import SEVERAL, InputName, Inputs
from vangram.settings.recipe import Recipe

FORMAT = 1
"""Version of the JSON, raised when an older vangram could no longer read it."""
TOP_LEVEL = ("content", "style", "start", "parameters")
"""Inputs with a key of their own; all others are in the object "others"."""
NETWORK = "network"
"""Key of the network's version among the versions; `changes` compares it."""
ABSENT = {"ranks": "1"}
"""What it means that a key of the versions is absent, where that is not "none"."""
THEN = ", then "
"""Separator between the versions of a run that was resumed with others."""


@dataclass(frozen=True)
class Input:
    """One input: its path and its SHA-256."""

    path: str
    sha256: str | None
    """SHA-256 of the file; None for a picture from memory, which cannot be found again."""

    def __post_init__(self) -> None:
        """Check values that may come from a damaged file."""
        if not isinstance(self.path, str) or not isinstance(self.sha256, str | None):
            raise TypeError(f"no path and SHA-256: {self.path!r}, {self.sha256!r}")


@dataclass(frozen=True, kw_only=True)
class Record:
    """Everything needed to make a picture again, and to tell whether the bytes can be the same."""

    recipe: Recipe
    inputs: Inputs[Input]
    network_sha256: str
    versions: Mapping[str, str]
    """Versions of vangram, torch, python, threads, device and network; ranks where several."""
    finished: bool = True
    """False for the intermediate picture of a run that was stopped."""
    keep_metadata: bool = False
    """Whether the picture carries all of the photograph's EXIF, and paths as they were given."""
    film: Mapping[str, Any] | None = None
    """Settings of a film beside the recipe: part, rate, shots, and shares along its time."""

    def __post_init__(self) -> None:
        """Check values that may come from a damaged file."""
        recipe, flags = self.recipe, (self.finished, self.keep_metadata)
        if not isinstance(self.network_sha256, str) or {*map(type, flags)} != {bool}:
            raise TypeError(f"no SHA-256 and flags: {self.network_sha256!r}, {flags!r}")
        if recipe.wants_content and self.inputs.content is None:
            raise TypeError("content terms, and no photograph")
        if recipe.wants_style and not self.inputs.styles:
            raise TypeError("style terms, and no painting")
        if not isinstance(self.film, Mapping | None):
            raise TypeError(f"no values of a film: {self.film!r}")

    def to_json(self) -> str:
        """The record as compact JSON."""
        others = {_key(name): vars(value) for name, value in self.inputs.named()}
        first = {key: others.pop(key, None) for key in TOP_LEVEL}
        values = {"format": FORMAT, "recipe": self.recipe.to_dict()} | first
        values |= {"others": others, "network_sha256": self.network_sha256}
        values |= {"versions": dict(self.versions), "finished": self.finished}
        values |= {"keep_metadata": True} if self.keep_metadata else {}
        values |= {} if self.film is None else {"film": dict(self.film)}
        return json.dumps(values, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Record:
        """A record from its JSON.

        Raises:
            RecipeError: the text is no record, or has an unknown format.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            version = values.pop("format")
            if version != FORMAT:
                raise RecipeError(
                    f"the recipe has format {version}, this vangram reads {FORMAT}: "
                    "use the version that made it"
                )
            # Before 0.2 every step was taken.
            values["recipe"] = Recipe.from_dict({"tolerance": 0.0} | values["recipe"])
            others = values.pop("others", {})
            values["inputs"] = _inputs({key: values.pop(key, None) for key in TOP_LEVEL} | others)
            values["versions"] = {str(k): str(v) for k, v in values["versions"].items()}
            return cls(**values)
        except RecipeError:
            raise
        except (
            ArithmeticError, AttributeError, KeyError, RecursionError, SettingError, TypeError,
            ValueError,
        ) as error:  # fmt: skip
            raise RecipeError(f"the recipe is damaged ({type(error).__name__})") from error

    def with_paths_of(self, other: Record) -> Record:
        """This record with the metadata of `other`, and its paths for inputs that are the same."""

        def unchanged(named: tuple[InputName, Input]) -> Input:
            name, ours = named
            theirs = other.inputs.get(name)
            return ours if theirs is None or ours.sha256 != theirs.sha256 else theirs

        inputs = self.inputs.named().map(unchanged)
        return replace(self, inputs=inputs, keep_metadata=other.keep_metadata)

    def is_of_same_run(self, other: Record) -> bool:
        """Whether recipe, network and inputs are the same, wherever the inputs are."""

        def digests(record: Record) -> Inputs[str | None]:
            return record.inputs.map(lambda each: each.sha256)

        return (self.recipe, self.network_sha256, self.film, digests(self)) == (
            other.recipe,
            other.network_sha256,
            other.film,
            digests(other),
        )

    def with_paths(self, paths: Mapping[str, str]) -> Record:
        """This record with some paths of inputs replaced; the keys are the old paths."""
        inputs = self.inputs.map(lambda each: replace(each, path=paths.get(each.path, each.path)))
        return replace(self, inputs=inputs)

    def published(self, picture: str | os.PathLike[str]) -> Record:
        """This record in the form that a picture carries: paths are relative to its folder.

        A path that would name a folder above the home folder is replaced by the file's name.
        """
        if self.keep_metadata:
            return self
        inputs = self.inputs.map(
            lambda each: replace(each, path=published_path(each.path, picture))
        )
        return replace(self, inputs=inputs)

    def located(self, picture: str | os.PathLike[str]) -> Record:
        """The record that a picture carries, with absolute paths; a bare name lies beside it."""
        folder = os.path.dirname(os.path.abspath(picture))

        def whole(given: Input) -> Input:
            return replace(given, path=os.path.normpath(os.path.join(folder, given.path)))

        return replace(self, inputs=self.inputs.map(whole))

    def continued(self, now: Record) -> Record:
        """This record, for a run that is resumed with the versions of `now`."""
        versions = {}
        for name in {**self.versions, **now.versions}:
            was, other = self._version(name), now._version(name)
            versions[name] = was if was.split(THEN)[-1] == other else f"{was}{THEN}{other}"
        return replace(self, versions=versions)

    def differences(self, other: Record) -> list[str]:
        """Differences from `other`, a line each; empty if the same bytes can be expected."""
        lines = [] if self.finished else ["the run was stopped early; this one goes to its end"]
        lines += self.changes(other)
        for name in sorted((self.versions.keys() | other.versions.keys()) - {NETWORK}):
            was, now = self._version(name), other._version(name)
            if was != now:
                lines.append(f"{name} was {was}, is {now}")
        return lines

    def _version(self, name: str) -> str:
        return self.versions.get(name, ABSENT.get(name, "none"))

    def changes(self, other: Record) -> list[str]:
        """Inputs and network that differ from those of `other`, a line each."""
        lines = []
        for name, ours in self.inputs.named():
            theirs = other.inputs.get(name)
            if theirs is not None and ours.sha256 != theirs.sha256:
                lines.append(f"the {name} is not the same file: {theirs.path}")
        if self.network_sha256 != other.network_sha256:
            lines.append(f"the network {self.recipe.network} has other parameters{self._network()}")
        return lines

    def _network(self) -> str:
        """Words in brackets on the network that made the picture; "" for one read from a file."""
        made_by = self.versions.get("vangram")
        if self.inputs.parameters is not None or made_by is None:
            return ""
        version = self.versions.get(NETWORK, self.recipe.network)
        return (
            f" (the picture's are {version} of vangram {made_by.split(THEN)[-1]}, SHA-256"
            f" {self.network_sha256[:8]}; that version makes it again)"
        )


def published_path(path: str, picture: str | os.PathLike[str]) -> str:
    """A path in the form that a picture carries, see `Record.published`."""
    folder, home = os.path.dirname(os.path.abspath(picture)), os.path.expanduser("~")
    if not os.path.isabs(path):
        return path
    try:
        common = os.path.commonpath((folder, path))
    except ValueError:  # on another drive
        common = os.path.dirname(home)
    if os.path.commonpath((common, home)) == common and common != home:
        return os.path.basename(path)
    return os.path.relpath(path, folder)


def _key(name: InputName) -> str:
    """JSON key of an input: "style", "style-2", ..."""
    key = name.kind.replace("_", "-")
    return key if name.number == 1 else f"{key}-{name.number}"


def _inputs(values: Mapping[str, Any]) -> Inputs[Input]:
    """The inputs from the JSON's values by key.

    Raises:
        KeyError: a key is unknown.
    """
    left = {key: value for key, value in values.items() if value is not None}

    def taken(kind: str) -> Iterator[Input]:
        for number in itertools.count(1):
            value = left.pop(_key(InputName(kind, number)), None)
            if value is None:
                return
            yield Input(**value)

    found: dict[str, Any] = {}
    for each in fields(Inputs):
        kind = SEVERAL.get(each.name)
        found[each.name] = tuple(taken(kind)) if kind else next(taken(each.name), None)
    if left:
        raise KeyError(*left)
    return Inputs(**found)
