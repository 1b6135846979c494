"""Where a run's largest tensors live: with its network, or in files that are mapped into memory."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import sys
import tempfile
import weakref
from collections.abc import Iterator
from typing import ClassVar

import psutil
import torch
from torch import Tensor

from vangram.errors import OutputError

BAND = 2**20
"""Values of a tensor that are worked on at a time where it may be larger than memory."""
GPU_BAND = 2**23
"""The same on a GPU, which is not worth calling for less."""
SHORT = 0.8
"""Share of its memory that a process takes before it returns what it has freed."""


class Storage:
    """In the memory of the device that computes."""

    def device_for(self, device: torch.device) -> torch.device:
        """Where its tensors are, for a network on a device."""
        return device

    def empty(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A tensor with whatever is in it; dtype and device of `like`."""
        return like.new_empty(shape)

    def zeros(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A tensor of zeros; dtype and device of `like`."""
        return like.new_zeros(shape)

    def release(self) -> None:
        """Nothing that was touched so far is needed at once again."""


IN_MEMORY = Storage()


class SpilledStorage(Storage):
    """In files without a name, which go when their tensors go.

    The system reads pages as they are touched, and `release` gives them back: what is in memory
    is what was touched since. The space is reserved at once, so that a full disk is an error and
    no crash later on. A network on a GPU is handed them tile by tile.

    Args:
        folder: where the files lie; None: where the system keeps large temporary files.
        memory: bytes that the process may take; None: as many as it likes.
    """

    maps: ClassVar[weakref.WeakSet[mmap.mmap]] = weakref.WeakSet()
    """All there are in the process."""

    def __init__(
        self, folder: str | os.PathLike[str] | None = None, memory: int | None = None
    ) -> None:
        self.folder = folder or _folder()
        self.memory = memory

    def device_for(self, device: torch.device) -> torch.device:
        """The CPU, whose memory alone files can be mapped into."""
        return torch.device("cpu")

    def empty(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A tensor of zeros on the CPU; dtype of `like`.

        Raises:
            OutputError: the disk is full, or the folder cannot be written.
        """
        count = torch.Size(shape).numel()
        size = count * like.element_size()
        try:
            with tempfile.TemporaryFile(prefix="vangram-", dir=self.folder) as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)
                else:
                    file.truncate(size)
                mapped = mmap.mmap(file.fileno(), size)
        except OSError as error:
            why = error.strerror or error
            raise OutputError(
                f"no {size // 2**20} MB can be set aside in {str(self.folder)!r} ({why}): free some"
                " space there, name another folder as TMPDIR, or allow more with --memory"
            ) from error
        self.maps.add(mapped)
        return torch.frombuffer(mapped, dtype=like.dtype, count=count).view(shape)

    def zeros(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A tensor of zeros; errors as above."""
        return self.empty(shape, like)

    def release(self) -> None:
        """Let go of the pages touched so far; their contents stay in the files.

        Where memory becomes short, freed memory goes as well. It comes to be in pieces that the
        next tile's tensors do not fit into, as much again as is used; to return it every time would
        cost a third of an evaluation, as pages that come back have to be cleared.
        """
        release_mapped()
        if self.memory and psutil.Process().memory_info().rss > SHORT * self.memory:
            return_freed_memory()


def release_mapped() -> None:
    """Let go of the pages that were touched of any spilled tensor in the process."""
    if hasattr(mmap, "MADV_DONTNEED"):
        for mapped in SpilledStorage.maps:
            mapped.madvise(mmap.MADV_DONTNEED)


def _folder() -> str:
    """TMPDIR, or /var/tmp, since /tmp often lies in memory, or what else there is."""
    large = "/var/tmp"
    named = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    return large if not named and os.access(large, os.W_OK) else tempfile.gettempdir()


def return_freed_memory() -> None:
    """Give the system back what the C library keeps for later, where it is glibc."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def bands(tensor: Tensor) -> Iterator[slice]:
    """Rows (the next to last dimension) of about `BAND` values at a time."""
    height, band = tensor.shape[-2], GPU_BAND if tensor.is_cuda else BAND
    step = max(band * height // max(tensor.numel(), 1), 1)
    for first in range(0, height, step):
        yield slice(first, min(first + step, height))
