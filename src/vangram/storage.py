"""Where a run's largest tensors live: in memory, or in files that are mapped into it."""

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

import torch
from torch import Tensor

from vangram.errors import OutputError

BAND = 2**20
"""Values of a tensor that are worked on at a time where it may be larger than memory."""


class Storage:
    """In memory."""

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
    no crash later on.

    Args:
        folder: where the files lie; None: where the system keeps large temporary files.
    """

    maps: ClassVar[weakref.WeakSet[mmap.mmap]] = weakref.WeakSet()
    """All there are in the process."""

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        self.folder = folder or _folder()

    def empty(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A tensor of zeros.

        Raises:
            OutputError: the disk is full, or the folder cannot be written.
        """
        if like.device.type != "cpu":
            return like.new_empty(shape)
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
        return self.empty(shape, like) if like.device.type == "cpu" else like.new_zeros(shape)

    def release(self) -> None:
        """Let go of the pages touched so far; their contents stay in the files."""
        release_mapped()


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
    height = tensor.shape[-2]
    step = max(BAND * height // max(tensor.numel(), 1), 1)
    for first in range(0, height, step):
        yield slice(first, min(first + step, height))
