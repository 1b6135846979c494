"""The command line: options to a recipe, errors to exit codes.

0    done
1    a failure while running, or a comparison that did not hold
2    an argument or a file cannot be used; nothing was computed
3    some of several pictures failed; the others were made
130  interrupted by Ctrl-C, 143 by a request to terminate; the picture so far is kept
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper


def main() -> None:
    """Run the command line; any failure is one line on the standard error, and a code."""
    from vangram.errors import InputError, VangramError, line_of
    from vangram.storage.allocator import let_segments_grow

    let_segments_grow()
    if isinstance(sys.stdout, TextIOWrapper):  # for names that are not UTF-8, byte by byte
        sys.stdout.reconfigure(errors="surrogateescape")
    try:
        from vangram.cli.app import app

        app(prog_name="vangram")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # a traceback helps only developers
        if os.environ.get("VANGRAM_TRACEBACK") and not isinstance(error, VangramError):
            raise
        _fail(line_of(error), 2 if isinstance(error, InputError) else 1)


def _fail(message: str, code: int) -> None:
    print(f"vangram: error: {message}", file=sys.stderr)
    sys.exit(code)
