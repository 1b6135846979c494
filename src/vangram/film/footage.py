"""Frames as they are given: a video, an animated picture, or a folder of pictures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from vangram.errors import PictureError
from vangram.film.video import Timing, no_frame, open_video
from vangram.images import READ_SUFFIXES, Picture, read_frames, read_picture
from vangram.storage.files import quoted

RATE = 25.0
"""Frames a second of a folder, unless another is given."""
MILLISECOND = Fraction(1, 1000)
NO_TIME = Fraction(1, 10)
"""Seconds for which browsers show an animation's frame of no duration."""


@dataclass
class Footage:
    """Frames, open for reading."""

    pictures: Callable[[float, float | None], Iterator[Picture]]
    """The frames between two times in seconds, one at a time; the end may be None."""
    timing: Callable[[], Timing]
    """When the frames that were read are shown."""
    notes: list[str] = field(default_factory=list)
    beside: Sequence[str] = ()
    """Sound and subtitles, in words."""


@contextmanager
def open_footage(path: str, rate: float = RATE) -> Iterator[Footage]:
    """Open a video, an animated picture, or a folder of pictures in the order of their numbers.

    Args:
        path: of the file or folder.
        rate: frames a second of a folder, or of a picture's pages.

    Raises:
        PictureError: it cannot be read, or has no frame.
        SettingError: it is a video, and PyAV is not installed.
    """
    if Path(path).is_dir():
        paths = frames_in(path)
        yield _timed(quoted(path), lambda: map(read_picture, paths), rate)
    elif Path(path).suffix.lower() in READ_SUFFIXES:
        with read_frames(path) as (_, frames):
            yield _timed(quoted(path), lambda: frames, rate)
    else:
        with open_video(path) as video:

            def pictures(since: float, until: float | None) -> Iterator[Picture]:
                for pixels in video.frames(since, until):
                    yield Picture(pixels, alpha=None, exif=None, sha256=None, name=path)

            yield Footage(pictures, lambda: video.timing, video.notes, video.beside)


def is_moving(path: str) -> bool:
    """Whether a path is of footage, and of no still picture."""
    if Path(path).is_dir() or Path(path).suffix.lower() not in READ_SUFFIXES:
        return True
    with read_frames(path) as (count, _):
        return count > 1


def frames_in(folder: str) -> list[str]:
    """Paths of a folder's pictures, in order.

    Raises:
        PictureError: there is none.
    """
    paths = [path for path in Path(folder).iterdir() if path.is_file()]
    found = [str(p) for p in paths if p.suffix.lower() in READ_SUFFIXES and p.name[0] != "."]
    if not found:
        raise PictureError(
            f"{quoted(folder)} has no pictures in it; they end in {', '.join(READ_SUFFIXES)}"
        )
    return in_order(found)


def in_order(frames: Sequence[str]) -> list[str]:
    """Frames in the order of the numbers in their names, whether padded with zeros or not."""

    def key(path: str) -> tuple[list[tuple[int, str]], str]:
        parts = re.split(r"([0-9]+)", Path(path).stem)  # texts and numbers in turn
        return [(int(part), "") if n % 2 else (-1, part) for n, part in enumerate(parts)], path

    return sorted(frames, key=key)


def seconds_at(rate: float) -> Fraction:
    """Seconds for which a frame is shown at a rate, of which 23.976 and the like are 24/1.001."""
    return 1 / Fraction(rate).limit_denominator(1001)


def _timed(label: str, frames: Callable[[], Iterator[Picture]], rate: float) -> Footage:
    """Frames that say how long they are shown, or have a rate."""
    starts, ends = list[int](), list[int]()

    def pictures(since: float, until: float | None) -> Iterator[Picture]:
        at, size = Fraction(0), None
        for picture in frames():
            start, shown = float(at), seconds_at(rate)
            if picture.seconds is not None:
                shown = picture.seconds or NO_TIME
            begun, at = at, at + shown
            if start < since:
                continue
            if until is not None and start >= until:
                if not starts:
                    raise no_frame(label, since, until, None)
                return
            if size not in (None, picture.size):
                raise PictureError(
                    f"{quoted(picture.name)} has {picture.size[1]} x {picture.size[0]} px, the"
                    f" frames before it {size[1]} x {size[0]}; make them alike"
                )
            size = picture.size
            starts.append(round(begun / MILLISECOND))
            ends.append(round(at / MILLISECOND))
            yield picture
        if not starts:
            raise no_frame(label, since, until, float(at))

    return Footage(
        pictures, lambda: Timing(MILLISECOND, tuple(starts), max(1, ends[-1] - starts[-1]))
    )
