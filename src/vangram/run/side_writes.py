"""Files written beside a run, such as previews: a failure is a warning, and the run goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from vangram.errors import OutputError


@dataclass
class SideWrites:
    """Writes of one kind of file; the first failure is reported."""

    warn: Callable[[str], object]
    """Called with the line of the first failure."""
    seconds: float = 0.0
    """Least time between two writes that are due."""
    largest_share: float = 1.0
    """Largest share of the time for writing."""
    due: float | None = None
    """Time of the next write, by `time.monotonic`; None: after `seconds` from now."""
    warned: bool = False

    def __post_init__(self) -> None:
        self.due = time.monotonic() + self.seconds if self.due is None else self.due

    @property
    def is_due(self) -> bool:
        """Whether it is time to write."""
        return self.due is None or time.monotonic() >= self.due

    def __call__(self, write: Callable[[], object]) -> bool:
        """Write, and return whether that succeeded."""
        began = time.monotonic()
        try:
            write()
        except OutputError as error:
            if not self.warned:
                self.warn(f"{error}; going on without")
            self.warned = True
            return False
        else:
            return True
        finally:
            ended = time.monotonic()
            self.due = ended + max(self.seconds, (ended - began) / self.largest_share)
