"""The folder beside a film's output in which its frames, images and state wait for its end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from vangram.errors import OutputError
from vangram.film.video import Timing
from vangram.images import Picture, deep_png, read_picture, write_picture
from vangram.storage.files import make_folder, open_regular, quoted, reason, replacing
from vangram.storage.locks import claim

STATE = "film.json"
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
            PictureError: it cannot be read.
        """
        return replace(read_picture(self.path(index)), name=f"{self.name}, frame {index + 1}")

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
                return values
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise OutputError(
                f"{quoted(path)} cannot be read ({reason(error)}); remove its folder"
            ) from None

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
        make_folder(self.path)
        lock = claim(self.path / name, wait=wait)
        try:
            yield
        finally:
            if lock is not None:
                lock.release()

    def passes(self, index: int) -> int:
        """Number of the last pass over a frame; 0 before the first."""
        path = self._image_path(index)
        if not path.exists():
            return 0
        with safe_open(path, "pt") as file:
            whole = {"image", "painted"} <= set(file.keys())  # else an earlier version's
            return int(file.metadata()[PASS]) if whole else 0

    def result(self, index: int) -> Tensor:
        """The image of a frame's last pass, (1, 3, H, W) float16."""
        return self._tensor(index, "image")

    def painted(self, index: int) -> Tensor:
        """How far the places of a result are painted, (1, 1, H, W) float16 in [0, 1]."""
        return self._tensor(index, "painted")

    def _tensor(self, index: int, name: str) -> Tensor:
        with safe_open(self._image_path(index), "pt") as file:
            found: Tensor = file.get_tensor(name)
            return found

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
            shutil.rmtree(self.path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise OutputError(
                f"{quoted(self.path)} cannot be removed ({reason(error)}); remove it yourself"
            ) from None

    def _image_path(self, index: int) -> Path:
        return self.path / "images" / f"{index + 1:06}.safetensors"


def timing_to_json(timing: Timing) -> dict[str, Any]:
    """A timing as plain values."""
    return {"base": str(timing.base), "starts": timing.starts, "last": timing.last}


def timing_from_json(values: dict[str, Any]) -> Timing:
    """The inverse of `timing_to_json`."""
    return Timing(Fraction(values["base"]), tuple(values["starts"]), values["last"])
