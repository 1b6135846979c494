"""A film, painted shot by shot; after an interruption the same command continues."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from vangram.cli.progress import FilmPlace, Progress
from vangram.cli.streams import SECONDS_BETWEEN_LINES, report, tell, warn
from vangram.errors import BusyError
from vangram.film.film import Film
from vangram.film.output import is_made, write_film
from vangram.run.side_writes import SideWrites
from vangram.storage.allocator import keep_freed_memory
from vangram.storage.files import counted
from vangram.storage.locks import SECONDS_BETWEEN_TRIES
from vangram.storage.places import Place

MANY = 100
"""Number of frames above which the search for cuts, then more than a second, is announced."""
SECONDS_BETWEEN_PREVIEWS = 30.0
PREVIEW_SHARE = 0.1
"""Largest share of the time that previews take."""


def make_film(
    film: Film,
    *,
    force: bool = False,
    quiet: bool = False,
    preview: Path | None = None,
    has_shot: Callable[[int], bool] = lambda number: True,
) -> None:
    """Paint the frames that are missing, write the film, and print its path.

    Args:
        film: the film.
        force: overwrite a file that is there.
        quiet: no progress.
        preview: where the film so far is written now and then.
        has_shot: whether this process paints a shot, by its number; the process that finds all
            painted writes the film.

    Raises:
        InputError: an input cannot be used, or the film cannot be written.
    """
    if not force and is_made(film):
        film.work.discard()
        tell(f"{film.output} is this film already")
        print(film.output)
        return
    keep_freed_memory()
    told = film.first_run().inputs.notes
    report(told)
    _extract(film, quiet=quiet)
    report([note for note in film.notes if note not in told])
    shots = [number for number in range(len(film.shots)) if has_shot(number)]
    try:
        _paint(film, shots, quiet=quiet, preview=preview)
    except KeyboardInterrupt:
        painted = len(film.shown_timing().starts)
        tell(f"{painted} of {counted(len(film.frames), 'frame')} painted; the same command goes on")
        raise
    _finish(film, force=force, is_part=len(shots) < len(film.shots))


def _extract(film: Film, *, quiet: bool) -> None:
    printed = time.monotonic()
    with film.work.claimed("frames", wait=True):
        for count in film.extract():
            if not quiet and time.monotonic() - printed > SECONDS_BETWEEN_LINES:
                tell(f"{counted(count, 'frame')} read")
                printed = time.monotonic()
        if not quiet and film.settings.shots is None and len(film.frames) > MANY:
            tell(f"looking for cuts in {len(film.frames)} frames")
        film.find_shots()
    if not quiet:
        height, width = film.frames.frame(0).size
        shots = f"{len(film.shots)} shots" if len(film.shots) > 1 else "one shot"
        tell(f"{counted(len(film.frames), 'frame')} of {width} x {height} px in {shots}")


def _paint(film: Film, shots: list[int], *, quiet: bool, preview: Path | None) -> None:
    """Paint shots; wait for those that other processes paint."""
    left = [number for number in shots if film.share_painted(number) < 1]
    sizes = {number: len(film.shots[number]) for number in shots}
    whole = sum(sizes.values()) or 1
    shares = {number: film.share_painted(number) for number in shots}

    def share() -> float:
        return sum(sizes[number] * shares[number] for number in shots) / whole

    place = FilmPlace(len(film.frames), len(film.shots), share(), time.monotonic())
    side = Preview(film, preview) if preview is not None else None
    with Progress(quiet, place=place) as progress:
        while left and film.work.is_begun():
            waiting = []
            for number in left:
                try:
                    with film.work.claimed(f"shot-{number + 1}"):
                        if not film.work.is_begun():  # another process has written the film
                            break
                        if film.renew(number):
                            warn(f"images of shot {number + 1} are missing; it is painted again")
                        for step in film.shot(number).paint():
                            shares[number] = step.done
                            place.shot, place.step, place.share = number, step, share()
                            progress.show(step.step)
                            if side is not None:
                                side.write_when_due()
                except BusyError:
                    waiting.append(number)
                shares[number] = film.share_painted(number)
            if waiting == left:
                time.sleep(SECONDS_BETWEEN_TRIES)
            left = [number for number in waiting if film.share_painted(number) < 1]
    if side is not None and film.work.is_begun() and film.shown_timing().starts:
        side.write()


def _finish(film: Film, *, force: bool, is_part: bool) -> None:
    missing = [n + 1 for n in range(len(film.shots)) if film.share_painted(n) < 1]
    if missing and is_part and film.work.is_begun():
        shots = "shot {} is" if len(missing) == 1 else "shots {} are"
        left = shots.format(", ".join(map(str, missing)))
        tell(f"this shard is painted; {left} left to others")
        return
    with film.work.claimed("output", wait=True):
        if film.work.is_begun():  # otherwise another process has written the film
            if not force:
                is_made(film)  # no other file may have appeared
            report(write_film(film, film.output, overwrite=True))
        with film.work.claimed("frames", wait=True):  # no process may be reading them
            film.work.discard()
    print(film.output)


class Preview:
    """Rewrites the film as far as it is painted, now and then."""

    def __init__(self, film: Film, path: Path) -> None:
        self.film, self.place = film, Place(path, force=True)
        self.writes = SideWrites(warn, SECONDS_BETWEEN_PREVIEWS, PREVIEW_SHARE)

    def write_when_due(self) -> None:
        """Write the preview, unless the last one is recent."""
        if self.writes.is_due and self.film.shown_timing().starts:
            self.write()

    def write(self) -> None:
        """Write the preview; a failure is a warning."""
        self.writes(
            lambda: self.place.write(
                lambda path, over: write_film(self.film, path, overwrite=over, finished=False)
            )
        )
