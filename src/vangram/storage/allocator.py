"""How memory is handed out: a matter of the whole process, so of the command line."""

from __future__ import annotations

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Parameters of glibc's mallopt, from its malloc.h."""


def keep_freed_memory() -> None:
    """Let glibc keep what is freed for the next evaluation, which wants the same again.

    By default it returns large tensors to the system at once, and the system clears each page anew
    before the next use: more than a third of an evaluation's time. Elsewhere this does nothing.
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, -1)  # never


def let_segments_grow() -> None:
    """Let torch keep a GPU's memory in one piece, before it has taken any.

    In pieces that fit no other tile's tensors, a run in tiles took twice what it used. Whoever has
    set torch's own variable is left alone.
    """
    known = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
    if sys.platform == "linux" and not any(name in os.environ for name in known):
        os.environ["PYTORCH_CUDA_ALLOC_CONF"] = "expandable_segments:True"
