"""A batch: the state of each picture, known from the record in it, and the manifest."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from vangram.batch.manifest import (
    DAMAGE,
    FORMAT,
    is_same,
    manifest_name,
    manifests_in,
    pictures_in,
)
from vangram.batch.pairs import Pair
from vangram.batch.shards import Shard
from vangram.errors import CheckpointError, ExistsError, OutputError, PictureError, SizeError
from vangram.images import Picture, check_output, file_sha256
from vangram.run import Run
from vangram.run.checkpointer import Checkpointer, checkpoint_path
from vangram.run.inputs import RunSource, read_source
from vangram.run.network import device_for, network_for
from vangram.run.recipe_file import recorded_or_none
from vangram.run.resume import check_unfinished, resumed, unfinished
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe
from vangram.settings.record import Record
from vangram.storage.files import make_folder, quoted, reason, replacing
from vangram.storage.locks import claim

State = Literal["made", "failed", "missing"]


@dataclass
class Entry:
    """The state of a pair's picture, and the error that it failed with."""

    state: State = "missing"
    error: str | None = None


@dataclass
class Batch:
    """Pictures to make in a folder with one recipe, and the state of each."""

    folder: Path
    pairs: tuple[Pair, ...]
    recipe: Recipe
    parameters: str | None
    """A file with the network's parameters, instead of the published one."""
    network_sha256: str
    digests: Mapping[str, str]
    """SHA-256 of each readable input, by path."""
    entries: dict[Pair, Entry] = field(default_factory=dict)
    force: bool = False
    """Whether files that no batch has made are overwritten."""
    shard: Shard | None = None
    """The shard to which the pairs belong; None: there is one part alone."""
    keep_metadata: bool = False
    """Whether pictures carry the photograph's place, owner and serial numbers, and full paths."""
    recorded: Mapping[str, str] = field(default_factory=dict)
    """Path of an input -> the path that records have instead."""
    painting: Picture | None = None
    """The painting of the last run, decoded; the next run often has the same one."""

    @classmethod
    def prepare(
        cls,
        folder: Path,
        pairs: Sequence[Pair],
        recipe: Recipe,
        parameters: str | None = None,
        *,
        force: bool = False,
        shard: Shard | None = None,
        keep_metadata: bool = False,
    ) -> Batch:
        """Check all that can be checked without decoding, and find the finished pictures.

        Args:
            folder: where the pictures go; created if missing.
            pairs: with distinct names.
            recipe: of all pictures.
            parameters: a file with the network's parameters, instead of the published one.
            force: overwrite files with the pictures' names that no batch has made.
            shard: the part of the pairs that this batch makes.
            keep_metadata: let pictures carry all of the photograph's metadata, and full paths.

        Raises:
            OutputError: a picture cannot be written, or would overwrite another program's file.
            InputError: another input cannot be used.
        """
        network = network_for(recipe, parameters, device_for(recipe.device))
        smallest = network.topology.smallest_size(recipe.layers)
        if recipe.size < smallest:
            raise SizeError(
                f"size {recipe.size} is too small: {recipe.layers[-1]} needs {smallest} px;"
                " use a larger --size, or shallower layers"
            )
        mine = tuple(pair for pair in pairs if shard is None or shard.has(pair.name))
        digests, errors = _digests(mine)
        batch = cls(
            folder,
            mine,
            recipe,
            parameters,
            network.sha256,
            digests,
            force=force,
            shard=shard,
            keep_metadata=keep_metadata,
        )
        batch._check_manifest()
        make_folder(folder)
        inputs = {os.path.realpath(path) for pair in pairs for path in (pair.photo, pair.painting)}
        for pair in mine:
            error = errors.get(pair.photo) or errors.get(pair.painting) or batch._name_error(pair)
            made = not error and batch.is_made(pair)
            batch.entries[pair] = Entry("failed" if error else "made" if made else "missing", error)
            if not error:
                batch._check_output(pair, inputs)
                if not made:
                    batch.check_place(pair)
                    batch._check_run(pair)
        return batch

    @property
    def manifest(self) -> Path:
        """Path of the manifest."""
        return self.folder / manifest_name(self.shard)

    def output(self, pair: Pair) -> Path:
        """Path of a pair's picture."""
        return self.folder / pair.name

    def inputs_of(self, pair: Pair) -> Inputs[str]:
        """Paths of the inputs of a pair's run."""
        return Inputs(content=pair.photo, styles=(pair.painting,), parameters=self.parameters)

    def begin(self, pair: Pair, checkpointer: Checkpointer) -> tuple[Run, list[str]] | None:
        """Prepare a pair's run, from its checkpoint where an earlier process began it.

        Returns:
            The run, and its notes; None where another process has made the picture.

        Raises:
            ExistsError: the picture would overwrite a file that no batch has made.
            InputError: an input cannot be used.
        """
        if self.is_made(pair):
            return None
        self.check_place(pair)
        checkpointer.place.accept()
        run, notes = self._continued(pair, checkpointer)
        if run is None:
            checkpointer.discard()
            run = self._run(pair, self.recipe)
        record = replace(run.record, keep_metadata=self.keep_metadata)
        return replace(run, record=record), [*notes, *run.inputs.notes]

    def _continued(self, pair: Pair, checkpointer: Checkpointer) -> tuple[Run | None, list[str]]:
        """The run that an earlier process began, None if there is none of this picture; its notes.

        A checkpoint that is not used is noted: its run is lost.
        """
        try:
            was = unfinished(checkpointer)
            if was is None:
                return None, []
            if not self.is_of(was, pair):
                return None, [f"{pair.name} was begun with other inputs or settings; made anew"]
            run = self._run(pair, was.recipe)
            notes = was.differences(run.record)
            return resumed(run, was), notes
        except CheckpointError:
            return None, [f"{pair.name} has a checkpoint that cannot be used; made anew"]

    def _run(self, pair: Pair, recipe: Recipe) -> Run:
        if self.painting is None or self.painting.name != pair.painting:
            self.painting = None  # before the next one is decoded
            self.painting = read_source(pair.painting, self.recipe)
        inputs: Inputs[RunSource] = self.inputs_of(pair)
        run = Run.of(replace(inputs, styles=(self.painting,)), recipe)
        return replace(run, record=run.record.with_paths(self.recorded))

    def count(self, state: State) -> int:
        """Number of pictures in a state."""
        return sum(entry.state == state for entry in self.entries.values())

    def settle(self, pair: Pair, state: State, error: str | None = None) -> None:
        """Set the state of a pair, here and in the manifest.

        Raises:
            OutputError: the manifest cannot be written.
        """
        self.entries[pair] = Entry(state, error)
        self.write_manifest(pair)

    def write_manifest(self, *pairs: Pair) -> None:
        """Write recipe and state of pairs into the manifest, beside those of other pictures.

        Other batches may write to it at the same time.

        Raises:
            OutputError: it cannot be written.
        """
        path = self.manifest
        lock = claim(path, wait=True)
        try:
            listed = {
                name: picture for name, picture in _listed(path).items() if self._is_there(picture)
            }
            for pair in pairs:
                listed[pair.name] = (
                    {"picture": pair.name, "photo": pair.photo, "painting": pair.painting}
                    | vars(self.entries[pair])
                    | {"recipe": self.recipe.to_dict()}
                )
            with replacing(path) as handle:
                values = {"format": FORMAT, "pictures": list(listed.values())}
                handle.write(json.dumps(values, indent=1).encode())
        finally:
            if lock is not None:
                lock.release()

    def is_of(self, record: Record, pair: Pair) -> bool:
        """Whether a record has a pair's recipe, inputs and network."""
        wanted = replace(self.inputs_of(pair), parameters=None).map(self._sha256)
        found = replace(record.inputs, parameters=None).map(lambda each: each.sha256)
        return (
            is_same(record.recipe, self.recipe)
            and record.network_sha256 == self.network_sha256
            and found == wanted
        )

    def _sha256(self, path: str) -> str | None:
        """SHA-256 of a file; None if it cannot be read."""
        try:
            return self.digests.get(path) or file_sha256(path)
        except PictureError:
            return None

    def is_made(self, pair: Pair) -> bool:
        """Whether a pair's picture is there, finished."""
        record = recorded_or_none(self.output(pair))
        return record is not None and record.finished and self.is_of(record, pair)

    def check_place(self, pair: Pair) -> None:
        """Check that a pair's picture overwrites no file, except one that a batch has made here.

        Raises:
            ExistsError: it would overwrite another one.
        """
        output = self.output(pair)
        if self.force or not os.path.lexists(output):
            return
        if not self._is_listed(pair) or recorded_or_none(output) is None:
            raise ExistsError(
                f"{quoted(output)} exists already, and no batch has made it here;"
                " use another folder, or add --force to overwrite it"
            )

    def _check_run(self, pair: Pair) -> None:
        """Check that a pair's picture ends no run, except one that a batch has begun here.

        Raises:
            ExistsError: it would end another one.
        """
        output = self.output(pair)
        if os.path.lexists(checkpoint_path(output)):  # few have one, and manifests can be long
            check_unfinished(output, force=self.force or self._is_listed(pair))

    def _is_listed(self, pair: Pair) -> bool:
        """Whether a manifest in the folder lists a pair's picture."""
        return any(pair.name in _listed(path) for path in manifests_in(self.folder))

    def _name_error(self, pair: Pair) -> str | None:
        """An error where the picture's name, made of two file names, is too long; otherwise None.

        The longest name is that of the unfinished checkpoint.
        """
        try:
            os.lstat(f"{checkpoint_path(self.output(pair))}.part")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            return f"{quoted(pair.name)} is no possible name ({reason(error)}); use --pairs"
        return None

    def _check_output(self, pair: Pair, inputs: set[str]) -> None:
        output = self.output(pair)
        check_output(output)
        if os.path.realpath(output) in inputs:
            raise OutputError(f"{quoted(output)} is one of the pictures given; use another folder")

    def _check_manifest(self) -> None:
        path = self.manifest
        try:
            pictures_in(path)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except DAMAGE as error:
            if not self.force:
                raise OutputError(
                    f"{quoted(path)} is no list of a batch ({reason(error)});"
                    " use another folder, or add --force to overwrite it"
                ) from None

    def _is_there(self, picture: Mapping[str, Any]) -> bool:
        """False where the manifest lists a picture as made and its file has gone."""
        name = os.path.basename(picture["picture"])
        return picture.get("state") != "made" or os.path.exists(self.folder / name)


def _listed(manifest: Path) -> dict[str, dict[str, Any]]:
    """A manifest's pictures by name; empty where it cannot be read."""
    with suppress(*DAMAGE):
        return pictures_in(manifest)
    return {}


def _digests(pairs: Sequence[Pair]) -> tuple[dict[str, str], dict[str, str]]:
    """Path -> SHA-256 of each readable file, and path -> error of each other one."""
    digests, errors = {}, {}
    for path in dict.fromkeys(path for pair in pairs for path in (pair.photo, pair.painting)):
        try:
            digests[path] = file_sha256(path)
        except PictureError as error:
            errors[path] = str(error)
    return digests, errors
