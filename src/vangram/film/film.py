"""A film: what is asked for, its work so far, its shots, and the result written at the end."""

from __future__ import annotations

import hashlib
import json
import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import islice, pairwise, takewhile
from pathlib import Path
from typing import Any

from torch import Tensor

from vangram.errors import ExistsError, OutputError, PictureError, RecipeError, SettingError
from vangram.film.cuts import shots_of
from vangram.film.folder import Frames, WorkFolder, timing_from_json, timing_to_json
from vangram.film.footage import RATE, Footage, frames_in, is_moving, open_footage, seconds_at
from vangram.film.motion import FlowFolder
from vangram.film.shot import Shot
from vangram.film.video import Timing, clock
from vangram.images import ANIMATIONS, READ_SUFFIXES, Picture, file_sha256, fit, resize
from vangram.images.flow import opencv
from vangram.run import Run
from vangram.run.inputs import RunSource, read_source
from vangram.run.memory import free_memory
from vangram.run.network import device_for, network_for
from vangram.run.result import versions_on
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe
from vangram.settings.record import Input, Record
from vangram.storage.files import counted, quoted

WORK = ".film"
"""Added to the output's name for the folder of the work."""
MASKS = ("mask", "keep")
"""Inputs that may be films themselves."""
FRAMES = "frames"
"""Kind of the frames that are painted."""
FINEST = 1 / 255 / 64
"""Largest distance to a level of 8 bits that is rounding."""


@dataclass(frozen=True, kw_only=True)
class FilmSettings:
    """Everything that determines a film apart from its recipe and its inputs."""

    since: float = 0.0
    """Seconds after the film's start at which it is begun."""
    until: float | None = None
    """Seconds at which it is ended; None: its end."""
    rate: float = RATE
    """Frames a second of a folder."""
    shots: tuple[float, ...] | None = None
    """Seconds after the first frame at which shots begin; None: they are found."""
    keys: tuple[tuple[float, tuple[float, ...]], ...] = ()
    """Seconds after the first frame, and the share of each painting then; between them, shares in
    proportion to the time. None: the recipe's shares throughout."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FilmSettings:
        """The settings in a record.

        Raises:
            RecipeError: they are damaged.
        """
        try:
            shots, keys = values.get("shots"), values.get("keys", ())
            return cls(
                since=float(values.get("since", 0)),
                until=None if values.get("until") is None else float(values["until"]),
                rate=float(values.get("rate", RATE)),
                shots=None if shots is None else tuple(map(float, shots)),
                keys=tuple((float(at), tuple(map(float, shares))) for at, shares in keys),
            )
        except (TypeError, ValueError) as error:
            raise RecipeError(f"the recipe is damaged ({type(error).__name__})") from None

    def shares(self, seconds: float) -> tuple[float, ...]:
        """Share of each painting at a time; there must be keys."""
        times = [at for at, _ in self.keys]
        after = bisect_right(times, seconds)
        if after in (0, len(times)):
            return self.keys[min(after, len(times) - 1)][1]
        (start, old), (end, new) = self.keys[after - 1 : after + 1]
        share = (seconds - start) / (end - start)
        return tuple(a + share * (b - a) for a, b in zip(old, new, strict=True))


@dataclass(frozen=True, eq=False)
class Film:
    """A film to paint: inputs as paths, and the folder of the work."""

    output: Path
    inputs: Inputs[str]
    settings: FilmSettings
    record: Record
    work: WorkFolder

    @classmethod
    def prepare(
        cls,
        output: Path,
        inputs: Inputs[str],
        recipe: Recipe,
        settings: FilmSettings,
        *,
        force: bool = False,
    ) -> Film:
        """Check all that the first frame shows, and find the work that was begun.

        Args:
            output: the film, or the folder of frames, to write.
            inputs: `content` is a film, or a folder of frames, `flow` a folder of .flo files; the
                masks may be of either kind.
            recipe: of all frames.
            settings: what else there is.
            force: discard the work on another film.

        Raises:
            ExistsError: there is work on another film.
            InputError: an input or a setting cannot be used.
        """
        assert inputs.content is not None
        _check_motion(inputs, recipe)
        if recipe.init not in ("content", "noise"):
            raise SettingError("a film starts from its frames; set init to content or noise")
        film = cls(
            output, inputs, settings, _record_of(inputs, recipe, settings),
            WorkFolder(output.with_name(output.name + WORK)),
        )  # fmt: skip
        state = film.work.state()
        if state and not _record_in(film.work, state).is_of_same_run(film.record):
            if not force:
                raise ExistsError(
                    f"{quoted(film.work.path)} is the work on another film, or with another"
                    " recipe; use another output, or add --force to discard it"
                )
            film.work.discard()
        return film

    @property
    def memory(self) -> int:
        """Bytes by which all frames are planned, in whatever process."""
        recipe, kept = self.record.recipe, self.work.state().get("memory")
        return kept or recipe.memory or free_memory(device_for(recipe.device))

    def first_run(self) -> Run:
        """The run of the first frame, to be checked and told of before the frames are read."""
        settings = self.settings
        assert self.inputs.content is not None
        with open_footage(self.inputs.content, settings.rate) as footage:
            (first,) = islice(footage.pictures(settings.since, settings.until), 1)
        inputs: Inputs[RunSource] = replace(self._still, content=self._fitted(first))
        masks: dict[str, Any] = {}
        for kind in self._moving:
            with open_footage(self._path(kind), settings.rate) as footage:
                (masks[kind],) = islice(footage.pictures(settings.since, settings.until), 1)
        return Run.of(replace(inputs, **masks), self.recipe_at(0))

    def extract(self) -> Iterator[int]:
        """Write the frames that are painted, and those of masks, into the folder of the work.

        Yields:
            Number of frames written.

        Raises:
            PictureError: they cannot be read, or a mask has another number of frames.
            OutputError: they cannot be written.
        """
        state = self.work.state()
        if "timing" in state and all(map(Frames.are_there, self._extracted)):
            return
        if not state:
            self.work.clear(FRAMES, *MASKS)  # of another film, whose end was interrupted
            self.work.set(record=self.record.to_json(), memory=self.memory)
        settings = self.settings
        with open_footage(self._path("content"), settings.rate) as footage:
            yield from self._written(FRAMES, footage, settings.since, settings.until)
        timing, notes = footage.timing(), [*footage.notes, *self._left_out(footage)]
        for kind in self._moving:
            with open_footage(self._path(kind), settings.rate) as masks:
                yield from self._written(kind, masks, settings.since, settings.until)
            notes += [note for note in masks.notes if note not in notes]
            if (count := len(masks.timing().starts)) != len(timing.starts):
                raise PictureError(
                    f"{quoted(self._path(kind))} has {counted(count, 'frame')}, the film"
                    f" {len(timing.starts)}; give one for each"
                )
        self.work.set(timing=timing_to_json(timing), notes=notes)

    def _written(
        self, kind: str, footage: Footage, since: float, until: float | None
    ) -> Iterator[int]:
        frames = self.work.frames(kind, self._path("content"))
        for index, picture in enumerate(footage.pictures(since, until)):
            levels = picture.pixels * 255
            deep = bool((levels - levels.round()).abs().max() > FINEST)
            shown = self._fitted(picture) if kind == FRAMES else picture
            frames.keep(index, shown, deep=deep and picture.alpha is None)
            notes = list(picture.notes)
            if kind == FRAMES and picture.alpha is not None and not self._shows_alpha:
                notes.append(f"{quoted(self._path('content'))} has transparency, which is left out")
            footage.notes += [note for note in notes if note not in footage.notes]
            yield index + 1

    def _left_out(self, footage: Footage) -> list[str]:
        """Notes of sound and subtitles that an animation or a folder cannot hold."""
        if not self._shows_alpha:
            return []
        kind = self.output.suffix.lower() or "a folder of frames"
        return [
            f"the {each} is left out, as {kind} cannot hold it; .mkv can hold most"
            for each in footage.beside
        ]

    @property
    def _shows_alpha(self) -> bool:
        """Whether the result can be transparent: an animation, or a folder of frames."""
        suffix = self.output.suffix.lower()
        return not suffix or suffix in ANIMATIONS

    def _fitted(self, picture: Picture) -> Picture:
        """A frame no larger than the result."""
        size = fit(picture.size, min(self.record.recipe.size, max(picture.size)))
        if size == picture.size:
            return picture
        alpha = None if picture.alpha is None else resize(picture.alpha, size)
        return replace(picture, pixels=resize(picture.pixels, size), alpha=alpha)

    @cached_property
    def timing(self) -> Timing:
        """When its frames are shown; they have been extracted."""
        return timing_from_json(self.work.state()["timing"])

    @property
    def notes(self) -> list[str]:
        """What was lost in reading the frames, and keys that come too late."""
        return [*self.work.state()["notes"], *self._late_keys()]

    def _late_keys(self) -> list[str]:
        end = float(sum(self.timing.durations))
        late = [clock(at) for at, _ in self.settings.keys if at > end]
        if not late:
            return []
        keys = f"before the key{'' if len(late) == 1 else 's'} at {', '.join(late)}"
        if self.settings.since:
            return [f"the part that is painted ends {clock(end)} after --from, {keys} after it"]
        return [f"the film ends at {clock(end)}, {keys}"]

    @cached_property
    def shots(self) -> tuple[range, ...]:
        """The frames of each shot, after `find_shots`."""
        starts = self.work.state()["shots"]
        return tuple(range(*ends) for ends in pairwise((*starts, len(self.timing.starts))))

    def find_shots(self) -> None:
        """Keep the first frame of each shot: as given, or else as `shots_of` finds them.

        Raises:
            PictureError: the flow to a frame is missing.
        """
        self._check_flows()
        if "shots" in self.work.state():
            return
        given = self.settings.shots
        if given is None:
            starts = [shot.start for shot in shots_of(self.frames, self._flows)]
        else:
            seconds = self.timing.seconds
            # A thousandth: times in files are rounded.
            found = {bisect_left(seconds, at - 0.001) for at in given}
            starts = sorted({0, *(each for each in found if each < len(seconds))})
        self.work.set(shots=starts)

    def _check_flows(self) -> None:
        if self.inputs.flow is None:
            return
        for index in range(1, len(self.frames)):
            path = Path(self.inputs.flow, f"{self.name(index)}.flo")
            if not path.is_file():
                raise PictureError(
                    f"there is no flow {quoted(path)}; name flows like their frames, a film's"
                    " 000001 and on"
                )

    @property
    def _extracted(self) -> list[Frames]:
        """The frames to be painted, and those of masks."""
        count = len(self.timing.starts)
        masks = [self.work.frames(kind, self._path(kind), count) for kind in self._moving]
        return [self.frames, *masks]

    def renew(self, number: int) -> bool:
        """Begin a shot again where images of it are missing, and say whether that is so.

        Only the process that has claimed the shot may do that.

        Raises:
            OutputError: an image cannot be removed.
        """
        if self.shot(number).is_in_order():
            return False
        self.work.forget(self.shots[number])
        return True

    @cached_property
    def frames(self) -> Frames:
        """The frames to be painted."""
        return self.work.frames(FRAMES, self._path("content"), len(self.timing.starts))

    def shot(self, number: int) -> Shot:
        """A shot, ready to be painted."""
        of = self.shots[number]
        return Shot(self.frames, self.work, of, self._inputs_of, self._recipe_of, self._flows)

    @cached_property
    def _flows(self) -> FlowFolder | None:
        """The flow between frames where a folder of it is given."""
        if self.inputs.flow is None:
            return None
        names = [self.name(index) for index in range(len(self.frames))]
        return FlowFolder(Path(self.inputs.flow), names, self.frames.frame(0).size)

    def name(self, index: int) -> str:
        """Name of a frame: a folder's picture's, with suffix if need be, otherwise its number."""
        return self._names[index] if self._names else f"{index + 1:06}"

    @cached_property
    def _names(self) -> list[str]:
        content, settings = self._path("content"), self.settings
        if not os.path.isdir(content):
            return []
        paths, shown = [Path(path) for path in frames_in(content)], seconds_at(settings.rate)
        before = sum(float(index * shown) < settings.since for index in range(len(paths)))
        stems = [path.stem for path in paths]
        unique = len(set(stems)) == len(stems)  # otherwise 1.jpg and 1.png
        return (stems if unique else [path.name for path in paths])[before:]

    @property
    def is_video(self) -> bool:
        """Whether it has streams beside the frames, which are copied."""
        content = Path(self._path("content"))
        return not content.is_dir() and content.suffix.lower() not in READ_SUFFIXES

    def share_painted(self, number: int) -> float:
        """Share of a shot's passes over its frames that are done."""
        shot, frames = self.shot(number), self.shots[number]
        return sum(map(self.work.passes, frames)) / (shot.passes * len(frames))

    def shown_timing(self) -> Timing:
        """When the frames are shown that are painted, from the first on."""
        painted = takewhile(self.work.passes, range(len(self.frames)))
        count = sum(1 for _ in painted)
        if count == len(self.frames):
            return self.timing
        starts = self.timing.starts
        return replace(self.timing, starts=starts[:count], last=starts[count] - starts[count - 1])

    def shown(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """The painted frames as the film shows them, from the first to the last there is.

        Yields:
            (1, 3, H, W) in [0, 1], and alpha or None.
        """
        for number, frames in enumerate(self.shots):
            shot = self.shot(number)
            for index in frames:
                if not self.work.passes(index):
                    return
                pixels = shot.shown(index)
                alpha = None if self.is_video else self.frames.frame(index).alpha
                yield (
                    pixels,
                    None if alpha is None else resize(alpha, (pixels.shape[2], pixels.shape[3])),
                )

    def recipe_at(self, seconds: float) -> Recipe:
        """The recipe of a frame, by seconds after the first one."""
        changes: dict[str, Any] = {"memory": self.memory}
        if self.settings.keys:
            changes["blend"] = self.settings.shares(seconds)
        return self.record.recipe.replace(**changes)

    def _recipe_of(self, index: int) -> Recipe:
        return self.recipe_at(self._seconds[index])

    @cached_property
    def _seconds(self) -> list[float]:
        return self.timing.seconds

    def _inputs_of(self, index: int) -> Inputs[RunSource]:
        moving: dict[str, Any] = {
            kind: self.work.frames(kind, self._path(kind)).frame(index) for kind in self._moving
        }
        return replace(self._still, **moving)

    @cached_property
    def _still(self) -> Inputs[RunSource]:
        """The inputs that all frames share, decoded once."""
        without: dict[str, Any] = dict.fromkeys((*self._moving, "content", "flow", "parameters"))

        def decoded(path: str) -> RunSource:
            return read_source(path, self.record.recipe)

        return replace(
            replace(self.inputs, **without).map(decoded), parameters=self.inputs.parameters
        )

    @cached_property
    def _moving(self) -> tuple[str, ...]:
        """The masks that are films."""
        return tuple(
            kind for kind in MASKS if getattr(self.inputs, kind) and is_moving(self._path(kind))
        )

    def _path(self, kind: str) -> str:
        return str(getattr(self.inputs, kind if kind != FRAMES else "content"))


def _record_in(work: WorkFolder, state: Mapping[str, Any]) -> Record:
    try:
        return Record.from_json(state["record"])
    except RecipeError as error:
        raise OutputError(
            f"the work in {quoted(work.path)} cannot go on ({error}); remove the folder to"
            " begin again, or use another output"
        ) from None


def _check_motion(inputs: Inputs[str], recipe: Recipe) -> None:
    """Check that the motion between frames is given, or can be estimated."""
    if inputs.flow is not None and max(recipe.remember) == 1:
        return  # files are of neighbours
    try:
        opencv()
    except SettingError:
        raise SettingError(
            "films need OpenCV for the motion in them: pip install 'vangram[film]', or give the"
            " flow both ways as .flo files, and --remember 1"
        ) from None


def _record_of(inputs: Inputs[str], recipe: Recipe, settings: FilmSettings) -> Record:
    """The record of a film; folders have the digest of their files' digests."""
    network = network_for(recipe, inputs.parameters, device_for(recipe.device))
    return Record(
        recipe=recipe,
        inputs=inputs.map(lambda path: Input(path, digest(path))),
        network_sha256=network.sha256,
        versions=versions_on(network.mean.device),
        film=json.loads(json.dumps(asdict(settings))),
    )


def digest(path: str) -> str:
    """SHA-256 of a file, or of the names and digests of a folder's files.

    Raises:
        PictureError: it cannot be read.
    """
    if not os.path.isdir(path):
        return file_sha256(path)
    files = sorted(each for each in Path(path).iterdir() if each.is_file())
    lines = (f"{each.name}\0{file_sha256(each)}" for each in files if each.name[0] != ".")
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
