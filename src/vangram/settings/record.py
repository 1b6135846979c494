"""How a picture was made: recipe, inputs, network and versions, as text that travels with it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from vangram.errors import RecipeError, SettingError
from vangram.settings.recipe import Recipe

T = TypeVar("T")

FORMAT = 1
"""Of the text; raised when an older vangram could no longer read it."""
INPUTS = ("content", "style", "start", "parameters")
"""Names of the files that a run may be given."""
NETWORK = "network"
"""Key of the network's own version, which `changes` tells of."""
THEN = ", then "
"""Between the versions that a run was begun and finished with."""


def numbered(name: str, values: Sequence[T]) -> dict[str, T]:
    """Values by name: "style", "style-2", ..."""
    return {f"{name}-{index + 1}" if index else name: value for index, value in enumerate(values)}


def kind_of(name: str) -> str:
    """The name without its number: "style" of "style-2"."""
    return re.sub(r"-\d+$", "", name)


@dataclass(frozen=True)
class Input:
    """One of the files given: where it was, and its SHA-256."""

    path: str
    sha256: str | None
    """None for a picture that came from memory: it cannot be found again."""

    def __post_init__(self) -> None:
        """Check what may have come from a damaged file."""
        if not isinstance(self.path, str) or not isinstance(self.sha256, str | None):
            raise TypeError(f"no path and SHA-256: {self.path!r}, {self.sha256!r}")


@dataclass(frozen=True, kw_only=True)
class Record:
    """Everything needed to make a picture again, and to know whether that can succeed."""

    recipe: Recipe
    content: Input | None = None
    """The photograph; a texture has none."""
    style: Input | None = None
    """The painting, or the first of several; a content reconstruction has none."""
    others: Mapping[str, Input] = field(default_factory=dict)
    """By name: further paintings, "style-2", ..., and masks: "mask", "style-mask", ..., "keep"."""
    start: Input | None = None
    """The picture to start from, where the recipe's `init` is "picture"."""
    parameters: Input | None = None
    """The network's parameters, where they are not the published ones."""
    network_sha256: str
    versions: Mapping[str, str]
    """What the arithmetic depends on: vangram, torch, python, threads, device, network."""
    finished: bool = True
    """False for the picture so far of a run that was stopped early."""

    def __post_init__(self) -> None:
        """Check what may have come from a damaged file."""
        recipe = self.recipe
        if recipe.wants_content and self.content is None:
            raise TypeError("content terms, and no photograph")
        if recipe.wants_style and self.style is None:
            raise TypeError("style terms, and no painting")

    def to_json(self) -> str:
        """The record as compact JSON."""
        values = {"format": FORMAT} | asdict(self) | {"recipe": self.recipe.to_dict()}
        return json.dumps(values, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Record:
        """A record from its JSON.

        Raises:
            RecipeError: the text is no record, or of a format that is not known here.
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
            for name in INPUTS:
                if values.get(name) is not None:
                    values[name] = Input(**values[name])
            values["others"] = {
                str(name): Input(**given) for name, given in values.get("others", {}).items()
            }
            values["versions"] = {str(k): str(v) for k, v in values["versions"].items()}
            return cls(**values)
        except RecipeError:
            raise
        except (
            ArithmeticError, AttributeError, KeyError, RecursionError, SettingError, TypeError,
            ValueError,
        ) as error:  # fmt: skip
            raise RecipeError(f"the recipe is damaged ({type(error).__name__})") from error

    @property
    def inputs(self) -> dict[str, Input]:
        """What was given, by name: those of `INPUTS` that there are, and the others."""
        given = {name: getattr(self, name) for name in INPUTS} | dict(self.others)
        return {name: value for name, value in given.items() if value is not None}

    def with_paths_of(self, other: Record) -> Record:
        """This record, saying of each unchanged input where it was when `other` was made."""
        theirs = other.inputs
        same = {
            name: theirs[name]
            for name, ours in self.inputs.items()
            if name in theirs and ours.sha256 == theirs[name].sha256
        }
        others = {name: same.pop(name, ours) for name, ours in self.others.items()}
        return replace(self, **same, others=others)  # type: ignore[arg-type]

    def continued(self, now: Record) -> Record:
        """This record, of a run that goes on with the versions of `now`."""
        versions = {}
        for name in {**self.versions, **now.versions}:
            was, other = self.versions.get(name, "none"), now.versions.get(name, "none")
            versions[name] = was if was.split(THEN)[-1] == other else f"{was}{THEN}{other}"
        return replace(self, versions=versions)

    def differences(self, other: Record) -> list[str]:
        """What `other` does not share, a line each; none where the same bytes can be expected."""
        lines = [] if self.finished else ["the run was stopped early; this one goes to its end"]
        lines += self.changes(other)
        for name in sorted((self.versions.keys() | other.versions.keys()) - {NETWORK}):
            was, now = self.versions.get(name, "none"), other.versions.get(name, "none")
            if was != now:
                lines.append(f"{name} was {was}, is {now}")
        return lines

    def changes(self, other: Record) -> list[str]:
        """Inputs and parameters that `other` does not share, a line each."""
        lines, theirs = [], other.inputs
        for name, ours in self.inputs.items():
            if name in theirs and ours.sha256 != theirs[name].sha256:
                lines.append(f"the {name} is not the same file: {theirs[name].path}")
        if self.network_sha256 != other.network_sha256:
            lines.append(f"the network {self.recipe.network} has other parameters{self._network()}")
        return lines

    def _network(self) -> str:
        """Which network would make the same picture again, in brackets; nothing for a file."""
        made_by = self.versions.get("vangram")
        if self.parameters is not None or made_by is None:
            return ""
        version = self.versions.get(NETWORK, self.recipe.network)
        return (
            f" (the picture's are {version} of vangram {made_by.split(THEN)[-1]}, SHA-256"
            f" {self.network_sha256[:8]}; that version makes it again)"
        )
