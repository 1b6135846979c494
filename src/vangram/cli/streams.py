"""The standard streams: their failures never fail a run; lines for the standard error."""

from __future__ import annotations

import codecs
import errno
import math
import os
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from io import BufferedWriter, FileIO, RawIOBase, TextIOWrapper
from typing import TYPE_CHECKING

from vangram.settings.torchrun import rank
from vangram.storage.files import printable, reason

if TYPE_CHECKING:
    from typing_extensions import Buffer

BYTES = "vangram.bytes"
"""Error handler of the standard output: names as their bytes, other characters escaped."""
SECONDS_BETWEEN_LINES = 5.0
"""Interval of progress lines where the output is no terminal."""


class _Lenient(RawIOBase):
    """A stream that drops what cannot be written: on a full disk, or with the terminal gone."""

    def __init__(self, raw: FileIO) -> None:
        self.raw = raw
        self.error: OSError | None = None
        """The first failure."""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.raw.fileno()

    def isatty(self) -> bool:
        return self.raw.isatty()

    def write(self, data: Buffer) -> int:
        written = None  # as where the stream would block
        try:
            written = self.raw.write(data)
        except OSError as error:
            self.error = self.error or error
        return memoryview(data).nbytes if written is None else written


class Interval:
    """The time between lines of progress where the output is no terminal."""

    def __init__(self) -> None:
        self.end = -math.inf

    def is_over(self, early: bool = False) -> bool:
        """Whether the next line is due, which begins the next interval; `early` makes it due."""
        now = time.monotonic()
        if now < self.end and not early:
            return False
        self.end = now + SECONDS_BETWEEN_LINES
        return True


def protect_streams() -> None:
    """Replace the standard streams by ones that raise no error."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed: the next file opened, such as a picture, would have its number
            os.open(os.devnull, os.O_RDWR)
    codecs.register_error(BYTES, _as_bytes)
    for name, errors in (("stdout", BYTES), ("stderr", "backslashreplace")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - for as long as we run
        elif isinstance(stream, TextIOWrapper):
            raw = getattr(stream.buffer, "raw", stream.buffer)
            if isinstance(raw, FileIO):
                lines = stream.line_buffering or name == "stderr"
                buffer = BufferedWriter(_Lenient(raw))
                setattr(
                    sys, name, TextIOWrapper(buffer, stream.encoding, errors, line_buffering=lines)
                )
            else:
                stream.reconfigure(errors=errors)


def finish_output() -> None:
    """Warn where the standard output could not be written, unless its reader has gone."""
    sys.stdout.flush()
    error = getattr(getattr(sys.stdout.buffer, "raw", None), "error", None)
    if error is not None and error.errno != errno.EPIPE:
        tell(f"warning: the standard output cannot be written ({reason(error)})")


def tell(line: str) -> None:
    """Print a line to the standard error, with control characters escaped."""
    who = f"vangram, rank {rank()}" if rank() else "vangram"
    print(f"{who}: {printable(line)}", file=sys.stderr, flush=True)


def report(notes: Iterable[str]) -> None:
    """Print notes, a line each."""
    for note in notes:
        tell(f"note: {note}")


def warn(line: str) -> None:
    """Print a warning; the run continues."""
    tell(f"warning: {line}")


def _as_bytes(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replacement of characters that the encoding lacks, and the position after them."""
    for handler in ("surrogateescape", "backslashreplace"):
        with suppress(UnicodeError):
            return codecs.lookup_error(handler)(error)
    raise error
