"""The folder beside a film's output in which its frames, images and state wait for its end."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vangram.errors import OutputError, PictureError
from vangram.film.video import Timing
from vangram.images import Picture, deep_png, read_picture, write_picture
from vangram.storage.files import make_folder, open_regular, quoted, reason, replacing
from vangram.storage.locks import claim

STATE = "film.json"
IMAGES = "images"
"""Name of the folder with the image of each frame's last pass."""
TRIES = 5
"""Of removing a folder."""
PASS = "pass"
"""Key of the pass's number in an image's file."""


class Frames:
    """Pictures in a folder, by number."""

    def __init__(self, folder: Path, name: str, count: int = 0) -> None:
        self.folder, self.name, self.count = folder, name, count

    def __len__(self) -> int:
        return self.count

    def path(self, index: int) -> Path:
        """Path of a frame."""
        return self.folder / f"{index + 1:06}.png"

    def frame(self, index: int) -> Picture:
        """A frame, decoded.

        Raises:
            OutputError: it cannot be read.
        """
        try:
            picture = read_picture(self.path(index))
        except PictureError as error:
            raise OutputError(
                f"frame {index + 1} of the work is damaged; remove {quoted(self.path(index))}, and"
                " the same command goes on"
            ) from error
        return replace(picture, name=f"{self.name}, frame {index + 1}")

    def are_there(self) -> bool:
        """Whether no frame is missing."""
        return all(map(os.path.exists, map(self.path, range(self.count))))

    def keep(self, index: int, picture: Picture, *, deep: bool) -> None:
        """Write a frame that is not there yet; `deep`: with 16 bits a channel, without alpha.

        Raises:
            OutputError: it cannot be written.
        """
        make_folder(self.folder)
        if self.path(index).exists():
            return
        if deep:
            with replacing(self.path(index)) as handle:
                handle.write(deep_png(picture.pixels))
        else:
            write_picture(self.path(index), picture.pixels, alpha=picture.alpha)


class WorkFolder:
    """The work on a film: state, frames given, and of each frame the image of its last pass.

    Every file is replaced as a whole, so that a process may be killed at any time.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def frames(self, kind: str, name: str, count: int = 0) -> Frames:
        """The frames of a kind, as "frames" or "mask"; `name` is the footage's in messages."""
        return Frames(self.path / kind, name, count)

    def state(self) -> dict[str, Any]:
        """The values that were kept; empty for new work.

        Raises:
            OutputError: they cannot be read.
        """
        path = self.path / STATE
        try:
            with open_regular(path) as handle:
                values: dict[str, Any] = json.load(handle)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise OutputError(
                f"{quoted(path)} cannot be read ({reason(error)}); remove its folder"
            ) from None
        if not _is_state(values):
            raise OutputError(f"{quoted(path)} is damaged; remove its folder, and begin again")
        return values

    def is_begun(self) -> bool:
        """Whether there is work to go on with."""
        return "timing" in self.state()

    def set(self, **values: Any) -> None:
        """Keep values beside those that are there.

        Raises:
            OutputError: they cannot be written.
        """
        make_folder(self.path)
        with replacing(self.path / STATE) as handle:
            handle.write(json.dumps(self.state() | values, indent=1).encode())

    @contextmanager
    def claimed(self, name: str, *, wait: bool = False) -> Iterator[None]:
        """Keep other processes from a part of the work.

        Raises:
            BusyError: another process is at it.
        """
        lock = None
        while lock is None:
            make_folder(self.path)
            lock = claim(self.path / name, wait=wait)
            if self.path.is_dir():  # else the process that has written the film removed it
                break
        try:
            yield
        finally:
            if lock is not None:
                lock.release()

    def passes(self, index: int) -> int:
        """Number of the last pass over a frame; 0 before the first, or if its file is damaged."""
        path = self._image_path(index)
        if not path.is_file():
            return 0
        try:
            with safe_open(path, "pt") as file:
                whole = {"image", "painted"} <= set(file.keys())  # else an earlier version's
                return int((file.metadata() or {}).get(PASS, 0)) if whole else 0
        except (OSError, SafetensorError, ValueError):
            return 0

    def result(self, index: int) -> Tensor:
        """The image of a frame's last pass, (1, 3, H, W) float16."""
        return self._tensor(index, "image")

    def painted(self, index: int) -> Tensor:
        """How far the places of a result are painted, (1, 1, H, W) float16 in [0, 1]."""
        return self._tensor(index, "painted")

    def _tensor(self, index: int, name: str) -> Tensor:
        path = self._image_path(index)
        try:
            with safe_open(path, "pt") as file:
                found: Tensor = file.get_tensor(name)
                return found
        except (OSError, SafetensorError) as error:
            raise OutputError(
                f"{quoted(path)} cannot be read ({reason(error)}); give the same command again"
            ) from None

    def keep(self, index: int, number: int, image: Tensor, painted: Tensor) -> None:
        """Keep the result of a pass instead of that of the pass before.

        Raises:
            OutputError: it cannot be written.
        """
        path = self._image_path(index)
        make_folder(path.parent)
        with replacing(path) as handle:
            tensors = {"image": image.contiguous(), "painted": painted.contiguous()}
            handle.write(save(tensors, {PASS: str(number)}))

    def discard(self) -> None:
        """Remove everything.

        Raises:
            OutputError: a file cannot be removed.
        """
        try:
            (self.path / STATE).unlink(missing_ok=True)  # first: the rest is nothing without it
            for _ in range(TRIES):  # other processes may take and leave their locks meanwhile
                shutil.rmtree(self.path, ignore_errors=True)
                if not self.path.is_dir():
                    return
            shutil.rmtree(self.path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise OutputError(
                f"{quoted(self.path)} cannot be removed ({reason(error)}); remove it yourself"
            ) from None

    def clear(self, *kinds: str) -> None:
        """Remove the images, and the frames of kinds, that work without a state has left.

        Raises:
            OutputError: a file cannot be removed.
        """
        for kind in (IMAGES, *kinds):
            self._remove(self.path / kind)

    def forget(self, frames: Iterable[int]) -> None:
        """Remove the images of frames; raises as `clear`."""
        for index in frames:
            self._remove(self._image_path(index))

    def _remove(self, path: Path) -> None:
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"{quoted(path)} cannot be removed ({reason(error)}); remove it yourself"
            ) from None

    def _image_path(self, index: int) -> Path:
        return self.path / IMAGES / f"{index + 1:06}.safetensors"


def timing_to_json(timing: Timing) -> dict[str, Any]:
    """A timing as plain values."""
    return {"base": str(timing.base), "starts": timing.starts, "last": timing.last}


def timing_from_json(values: dict[str, Any]) -> Timing:
    """The inverse of `timing_to_json`."""
    return Timing(Fraction(values["base"]), tuple(values["starts"]), values["last"])


def _is_state(values: Any) -> bool:
    """Whether values are those of a film's state, as far as they go."""
    try:
        record, memory, notes = values["record"], values.get("memory", 1), values.get("notes", [])
        if not (isinstance(record, str) and isinstance(memory, int) and memory > 0):
            return False
        if "timing" not in values:
            return True
        timing = timing_from_json(values["timing"])
        starts, shots = timing.starts, values.get("shots", [0])
        return (
            timing.base > 0
            and isinstance(timing.last, int)
            and len(starts) > 0
            and all(isinstance(each, int) for each in (*starts, *shots))
            and all(a < b for a, b in (*pairwise(starts), *pairwise((*shots, len(starts)))))
            and shots[0] == 0
            and "notes" in values
            and all(isinstance(note, str) for note in notes)
        )
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return False
