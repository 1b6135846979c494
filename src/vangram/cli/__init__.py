"""The command line: options to a recipe, errors to exit codes.

0    done
1    a failure while running, or a comparison that did not hold
2    an argument or a file cannot be used
3    some of several pictures failed; the others were made
129  the terminal has gone, 130 Ctrl-C, 143 a request to terminate; the picture so far is kept
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line; any failure is one line on the standard error, and a code."""
    from vangram.cli.interrupts import INTERRUPTS

    INTERRUPTS.install()
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTS.code)
    except SystemExit as ended:  # typer knows one interrupt
        sys.exit(INTERRUPTS.code if ended.code == 130 else ended.code)
    finally:
        INTERRUPTS.ignore()


def _run() -> None:
    from functools import partial

    from vangram.cli.streams import finish_output, protect_streams, tell
    from vangram.errors import InputError, VangramError, is_of_system, is_out_of_memory, line_of
    from vangram.settings.torchrun import rank_count
    from vangram.storage.allocator import let_segments_grow, let_threads_sleep

    let_segments_grow()
    let_threads_sleep()
    protect_streams()
    try:
        from vangram.cli.app import app

        command = partial(app, prog_name="vangram")
        if rank_count() > 1:
            if not os.environ.get("VANGRAM_TRACEBACK"):
                # Before torch is loaded, which prints pages where a rank has ended.
                os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
            from vangram.cli.ranks import on_all_ranks

            on_all_ranks(command)
        else:
            command()
    except Exception as error:  # a traceback helps only developers
        if os.environ.get("VANGRAM_TRACEBACK") and not isinstance(error, VangramError):
            raise
        tell(f"error: {line_of(error)}")
        of_files = is_of_system(error) and not is_out_of_memory(error)
        sys.exit(2 if isinstance(error, InputError) or of_files else 1)
    finally:
        finish_output()
