"""Signals that end a command: raised once as an interrupt, but not while results are written."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Interrupts:
    """The signals of this process that ask it to end; the first one counts."""

    def __init__(self) -> None:
        self.number: int | None = None
        """The first signal that came."""
        self.deferring = False

    @property
    def code(self) -> int:
        """Exit code of an interrupted command."""
        return 128 + (self.number or signal.SIGINT)

    def install(self) -> None:
        """Handle the signals from now on; those that the parent process ignores stay ignored."""
        self.number, self.deferring = None, False
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._handle)

    def ignore(self) -> None:
        """Ignore the signals, as the process is at its end."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def check(self) -> None:
        """Raise a KeyboardInterrupt if a signal has come."""
        if self.number is not None:
            raise KeyboardInterrupt

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Raise nothing in this context, except within `allowed`."""
        self.deferring = True
        try:
            yield
        finally:
            self.deferring = False

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Raise signals in this context, within `deferred`; a deferred one is raised first."""
        self.deferring = False
        try:
            self.check()
            yield
        finally:
            self.deferring = True

    def _handle(self, number: int, frame: FrameType | None) -> None:
        first = self.number is None
        self.number = self.number or number
        if first and not self.deferring:
            raise KeyboardInterrupt


INTERRUPTS = Interrupts()
"""The one instance; signals belong to the process."""
