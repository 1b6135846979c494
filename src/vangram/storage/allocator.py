"""Settings of memory and threads of the whole process, made by the command line alone."""

from __future__ import annotations

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Parameters of glibc's mallopt, from its malloc.h."""

SPINS = 1000
"""Number of turns that a thread of GCC's OpenMP spins before it sleeps: some microseconds."""


def let_threads_sleep() -> None:
    """Let threads that wait for others sleep; to be called before torch is imported.

    By default they spin, for milliseconds, on cores that the threads waited for may need: on two
    busy cores an evaluation took seven times as long with two threads as with one. Variables of
    OpenMP that are set already are kept.
    """
    known = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
    if not any(name in os.environ for name in known):
        os.environ |= {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": str(SPINS)}


def keep_freed_memory() -> None:
    """Let glibc keep freed memory for the next evaluation, which allocates the same sizes.

    By default it returns large tensors to the system at once, and the system clears each page
    before the next use: more than a third of an evaluation's time. A no-op without glibc.
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
    """Let torch grow its segments of GPU memory; to be called before it has allocated any.

    Segments of fixed sizes fit no other tile's tensors: a run in tiles took twice what it used. A
    variable of torch that is set already is kept.
    """
    known = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
    if sys.platform == "linux" and not any(name in os.environ for name in known):
        os.environ["PYTORCH_CUDA_ALLOC_CONF"] = "expandable_segments:True"
