"""Pages of `sweep` and `study`: checks, progress, and the file."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from vangram.cli.interrupts import INTERRUPTS
from vangram.cli.outputs import check_new, write_at
from vangram.cli.streams import Interval, tell
from vangram.errors import SettingError
from vangram.reports.gallery import Gallery, Progress
from vangram.reports.page import report
from vangram.storage.files import printable, replacing
from vangram.storage.locks import claim
from vangram.storage.places import Place


def parts_of(output: Path) -> Path:
    """Folder of a gallery's pictures until its page is written."""
    return output.with_name(f"{output.name}.parts")


def check_page(output: Path, *others: Path, force: bool) -> None:
    """Check, before any work, that a page has a page's name and, unless forced, replaces no file.

    Raises:
        SettingError: its name does not end in .html.
        OutputError: it, or another file that goes with it, is there already.
    """
    if output.suffix.lower() not in (".html", ".htm"):
        raise SettingError(f"{str(output)!r} is no page; end its name in .html")
    check_new(output, *others, force=force)


def make_page(
    gallery: Gallery,
    output: Path,
    *,
    quiet: bool,
    force: bool,
    also: tuple[Path, Callable[[Path, Path, bool], None]] | None = None,
) -> None:
    """Make the missing pictures, write the page, and print its path.

    Pictures are kept when the process is interrupted.

    Args:
        gallery: the pictures.
        output: the page.
        quiet: no progress.
        force: overwrite files that have appeared meanwhile.
        also: another file, and a function that writes it from the pictures in a folder.

    Raises:
        BusyError: another process makes this page.
        OutputError: a file cannot be written.
    """
    folder, lock = parts_of(output), claim(output)
    try:
        _watch(gallery.make(folder), quiet)
        page = report(gallery, folder).encode(errors="backslashreplace")  # names that are not UTF-8
        with INTERRUPTS.deferred():
            if also is not None:
                sheet, write = also
                write_at(Place(sheet, force=force), lambda path, over: write(path, folder, over))
            place = Place(output, force=force)
            written = write_at(place, lambda path, over: _write(path, page, over))
            shutil.rmtree(folder, ignore_errors=True)
            print(written)
    except KeyboardInterrupt:
        tell(f"stopped; the finished pictures are in {folder}, the same command goes on")
        raise
    finally:
        if lock is not None:
            lock.release()
    INTERRUPTS.check()


def _write(path: Path, page: bytes, overwrite: bool) -> None:
    with replacing(path, overwrite=overwrite) as handle:
        handle.write(page)


def _watch(progress: Iterable[Progress], quiet: bool) -> None:
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        _tell(progress, quiet)
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False),
               TimeRemainingColumn())  # fmt: skip
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        for at in progress:
            bar.update(task, total=at.of, completed=at.made + at.done % 1, description=at.caption)


def _tell(progress: Iterable[Progress], quiet: bool) -> None:
    interval = Interval()
    for at in progress:
        if not quiet and interval.is_over(early=at.made == at.of):
            words = printable(f"{at.made}/{at.of}  {at.caption}")
            print(words, file=sys.stderr, flush=True)
