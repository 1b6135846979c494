"""Files written beside a run, such as previews: a failure is a warning, and the run goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vangram.errors import OutputError


@dataclass
class SideWrites:
    """Writes of one kind of file; the first failure is reported."""

    warn: Callable[[str], object]
    """Called with the line of the first failure."""
    warned: bool = False

    def __call__(self, write: Callable[[], object]) -> bool:
        """Write, and return whether that succeeded."""
        try:
            write()
        except OutputError as error:
            if not self.warned:
                self.warn(f"{error}; going on without")
            self.warned = True
            return False
        return True
