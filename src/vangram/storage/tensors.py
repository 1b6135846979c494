"""Storage of a run's largest tensors: in memory, or in memory-mapped files."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import ClassVar

import psutil
import torch
from torch import Tensor

from vangram.errors import OutputError, is_out_of_memory

BAND = 2**20
"""Number of values of a band of rows, for tensors that may be larger than memory."""
GPU_BAND = 2**23
"""Number of values of a band on a GPU, where a call for fewer costs more than its arithmetic."""
TRIM_ABOVE = 0.8
"""Share of the allowed memory above which freed memory is returned to the system."""


class Storage:
    """Storage in the memory of the network's device."""

    def device_for(self, device: torch.device) -> torch.device:
        """Device of the stored tensors, for a network's device."""
        return device

    def empty(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """An uninitialised tensor with the dtype and device of `like`."""
        return like.new_empty(shape)

    def zeros(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A tensor of zeros with the dtype and device of `like`."""
        return like.new_zeros(shape)


IN_MEMORY = Storage()


class SpilledStorage(Storage):
    """Storage in unnamed temporary files, which are deleted with their tensors.

    The system loads pages when they are touched, and `evict` removes them from memory. Disk space
    is reserved when a tensor is created, so that a full disk is an error then and not a crash
    later. Tiles are copied to a network on a GPU.

    Args:
        folder: of the files; None: the system's folder for large temporary files.
        memory: bytes that the process may use; None: no limit.
    """

    maps: ClassVar[weakref.WeakKeyDictionary[mmap.mmap, int | None]] = weakref.WeakKeyDictionary()
    """All mappings of the process, with the memory that it may use."""

    def __init__(
        self, folder: str | os.PathLike[str] | None = None, memory: int | None = None
    ) -> None:
        self.folder = folder or _folder()
        self.memory = memory

    def device_for(self, device: torch.device) -> torch.device:
        """The CPU: files can be mapped into its memory alone."""
        return torch.device("cpu")

    def empty(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A tensor of zeros on the CPU with the dtype of `like`.

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
        self.maps[mapped] = self.memory
        return torch.frombuffer(mapped, dtype=like.dtype, count=count).view(shape)

    def zeros(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A tensor of zeros; errors as `empty`."""
        return self.empty(shape, like)


def row_bands(tensor: Tensor) -> Iterator[slice]:
    """Bands of rows (the second to last dimension) of about `BAND` values each.

    Resident pages of mapped tensors are evicted after each band.
    """
    height, band = tensor.shape[-2], GPU_BAND if tensor.is_cuda else BAND
    step = max(band * height // max(tensor.numel(), 1), 1)
    for first in range(0, height, step):
        yield slice(first, min(first + step, height))
        evict()


def evict() -> None:
    """Evict resident pages of all mapped tensors; their contents stay in the files.

    Where the process takes nearly all memory that it may use, freed memory is returned as well. It
    fragments into blocks that the next tile's tensors do not fit into, up to as much as is in use;
    returning it every time would cost a third of an evaluation, since the system clears pages when
    it hands them out.
    """
    if hasattr(mmap, "MADV_DONTNEED"):
        for mapped in SpilledStorage.maps:
            mapped.madvise(mmap.MADV_DONTNEED)
    limits = [limit for limit in SpilledStorage.maps.values() if limit]
    if limits and psutil.Process().memory_info().rss > TRIM_ABOVE * min(limits):
        return_freed_memory()


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turn failed allocations of torch, which raises a plain RuntimeError, into MemoryError."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        if is_out_of_memory(error):
            raise MemoryError(" ".join(str(error).split())) from error
        raise


def _folder() -> str:
    """Folder of temporary files: TMPDIR, /var/tmp (as /tmp is often in memory) or the default."""
    large = "/var/tmp"
    named = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    return large if not named and os.access(large, os.W_OK) else tempfile.gettempdir()


def return_freed_memory() -> None:
    """Return freed memory from glibc's allocator to the system."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
