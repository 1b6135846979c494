"""Writing beside the run, whose failure costs a warning and not the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vangram.errors import OutputError


@dataclass
class Attempts:
    """Attempts to write one kind of thing; the first that fails is told."""

    warn: Callable[[str], object]
    """Told the line of the first failure."""
    warned: bool = False

    def __call__(self, write: Callable[[], None]) -> bool:
        """Write, or go on without; whether it was written."""
        try:
            write()
        except OutputError as error:
            if not self.warned:
                self.warn(f"{error}; going on without")
            self.warned = True
            return False
        return True
