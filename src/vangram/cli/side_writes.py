"""Writes beside a run, whose failure is a warning and does not end the run."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from vangram.errors import OutputError


@dataclass
class SideWrites:
    """Writes of one kind of file; the first failure is reported."""

    warned: bool = False

    def __call__(self, write: Callable[[], None]) -> bool:
        """Write, and return whether that succeeded."""
        try:
            write()
        except OutputError as error:
            if not self.warned:
                print(f"vangram: warning: {error}; going on without", file=sys.stderr)
            self.warned = True
            return False
        return True
