"""Errors as one line: told apart by type and number, never by the names in them."""

from __future__ import annotations

import errno
import os

import pytest
import torch

from vangram.errors import OUT_OF_MEMORY, OutputError, is_out_of_memory, line_of


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_failed_allocation_is_told(error: Exception) -> None:
    assert line_of(error) == OUT_OF_MEMORY


def test_torch_fails_to_allocate_as_expected() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EROFS])
def test_memory_in_a_name_is_no_failed_allocation(number: int) -> None:
    line = line_of(OSError(number, os.strerror(number), "/memory/out.png"))
    assert line.startswith(f"'/memory/out.png' cannot be used ({os.strerror(number)}); ")
    assert "unexpected" in line_of(RuntimeError("Symlink loop from '/out of memory/out.png'"))


def test_error_of_the_system_says_what_to_do() -> None:
    assert line_of(OSError(errno.ENOSPC, "No space left on device")) == (
        "a file cannot be used (No space left on device); free some space there"
    )
    assert "permissions" in line_of(PermissionError(errno.EACCES, "Permission denied", "x"))
    assert line_of(OutputError("two\nlines")) == "two lines"
    assert line_of(OSError("broken data stream")).startswith("unexpected: OSError: broken data")
