"""A command under torchrun: rank 0 carries it out, the other ranks serve its evaluations."""

from __future__ import annotations

import sys
from collections.abc import Callable

from vangram.cli.interrupts import INTERRUPTS
from vangram.cli.streams import tell
from vangram.engines.distributed import END, serve
from vangram.engines.ranks import Ranks
from vangram.errors import EchoedError, RankError
from vangram.storage.allocator import keep_freed_memory


def on_all_ranks(command: Callable[[], None]) -> None:
    """Carry out a command with all ranks; where it succeeds, all of them return.

    Raises:
        RankError: a rank does not come, has ended, or does not answer.
        SettingError: the ranks do not go together.
    """
    try:
        ranks = Ranks.join(tell)
    except EchoedError:
        sys.exit(1)
    if ranks.rank:
        _serve(ranks)
        return
    try:
        command()
    finally:
        if ranks.in_step:
            with ranks.together(END):
                pass
            ranks.leave()
        else:  # the end of this process ends the others
            ranks.tell_ended()


def _serve(ranks: Ranks) -> None:
    """Serve rank 0 until it ends; one rank prints an unexpected end."""
    keep_freed_memory()
    try:
        with INTERRUPTS.deferred():
            serve(ranks, INTERRUPTS.allowed, lambda: INTERRUPTS.number or 0)
        ranks.leave()
    except RankError:
        if INTERRUPTS.number is not None:
            sys.exit(INTERRUPTS.code)
        if ranks.rank > 1 or ranks.told():
            sys.exit(1)
        raise
