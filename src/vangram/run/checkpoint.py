"""Checkpoints: a run's record and position in one file that is whole or not there.

The file is in the safetensors format: eight bytes that say how long the header is, the header in
JSON, then the tensors' bytes. Its metadata are

    sha256     of the whole file, with zeros in place of these 64 digits
    vangram    JSON: the format's number, the record, the position without its tensors, and each
               tensor's shape and strides

A tensor lies as it lay in memory, its dimensions in the order of their strides, because sums may
round otherwise over another order. There is no random state: nothing is random after the first
image, which the recipe's seed decides.

Tensors are written from where they are, one after the other, since a second copy of all would not
fit where a picture just does.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import dataclass
from typing import Any, BinaryIO

import torch
from torch import Tensor

from vangram.errors import CheckpointError, RecipeError
from vangram.optimize.state import RunState
from vangram.settings.record import Record
from vangram.storage.files import quoted, reason, replacing
from vangram.storage.tensors import IN_MEMORY, SpilledStorage, Storage, release_mapped

FORMAT = 1
"""Of the metadata; raised when an older vangram could no longer read them."""
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
"""The safetensors format's names."""
LENGTH = 8
"""Bytes that say how long the header is; it is padded to a multiple of as many."""
START = b'{"__metadata__":{"sha256":"'
"""Of every header, so that the digest has a fixed place."""
DIGEST = slice(LENGTH + len(START), LENGTH + len(START) + 64)
BLANK = "0" * 64
CHUNK = 1 << 24
"""Bytes read or written at a time."""
LARGE = 8
"""A part of the run's memory of which tensors that are read are spilled."""


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on."""

    record: Record
    position: RunState | None = None
    """None: nothing has been computed yet."""


def write_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write a checkpoint; an older one at that path stays until this one is whole.

    One process at a time may write to a path.

    Raises:
        OutputError: it cannot be written; an older one is untouched.
    """
    position, tensors = checkpoint.position.parts() if checkpoint.position else (None, [])
    tensors = [_dense(tensor) for tensor in tensors]
    head = _head(checkpoint.record, position, tensors)
    digest = hashlib.sha256(head)
    with replacing(path, f"{os.path.basename(path)}.part") as handle:
        handle.write(head)
        for tensor in tensors:
            data = _bytes(_as_it_lies(tensor.detach().cpu()))
            for first in range(0, len(data), CHUNK):
                part = data[first : first + CHUNK]
                handle.write(part)
                digest.update(part)
                release_mapped()
        handle.seek(DIGEST.start)
        handle.write(digest.hexdigest().encode())


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint, its tensors onto the CPU.

    Raises:
        CheckpointError: there is none, or it is damaged, or of a format that is not known here.
    """
    try:
        with open(path, "rb") as handle:
            return _read(handle)
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {quoted(path)}; check the path") from None
    except OSError as error:
        raise CheckpointError(
            f"{quoted(path)} cannot be read ({reason(error)}); check its permissions"
        ) from error
    except (CheckpointError, RecipeError) as error:
        raise CheckpointError(f"{quoted(path)}: {error}") from error
    except (
        ArithmeticError, AttributeError, LookupError, RecursionError, RuntimeError, TypeError,
        ValueError,
    ) as error:  # fmt: skip
        raise CheckpointError(
            f"{quoted(path)} is damaged ({type(error).__name__}); start the run anew"
        ) from error


def _read(handle: BinaryIO) -> Checkpoint:
    length = int.from_bytes(handle.read(LENGTH), "little")
    header = json.loads(handle.read(min(length, os.fstat(handle.fileno()).st_size)))
    values = json.loads(header["__metadata__"]["vangram"])
    if values["format"] != FORMAT:
        raise CheckpointError(
            f"the checkpoint has format {values['format']}, this vangram reads {FORMAT}: "
            "use the version that made it"
        )
    # From here on, whatever the file says was written by us.
    if not _is_whole(handle):
        raise ValueError("the digest is another one")
    handle.seek(LENGTH + length)
    record = Record.from_json(values["record"])
    memory, size = record.recipe.memory, os.fstat(handle.fileno()).st_size
    storage = SpilledStorage() if memory and size > memory / LARGE else IN_MEMORY
    tensors = [
        _tensor(handle, storage, DTYPES[header[str(index)]["dtype"]], *layout)
        for index, layout in enumerate(values["layouts"])
    ]
    position = values["position"] and RunState.from_parts(values["position"], tensors)
    return Checkpoint(record, position)


def _is_whole(handle: BinaryIO) -> bool:
    handle.seek(0)
    head = handle.read(DIGEST.stop)
    digest = hashlib.sha256(head[: DIGEST.start] + BLANK.encode())
    while chunk := handle.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest().encode() == head[DIGEST]


def _head(record: Record, position: dict[str, Any] | None, tensors: list[Tensor]) -> bytes:
    """All that comes before the tensors, with a blank digest."""
    names = {dtype: name for name, dtype in DTYPES.items()}
    values: dict[str, Any] = {
        "format": FORMAT, "record": record.to_json(), "position": position, "layouts": []
    }  # fmt: skip
    entries, end = {}, 0
    for index, tensor in enumerate(tensors):
        values["layouts"].append([list(tensor.shape), list(tensor.stride())])
        begin, end = end, end + tensor.numel() * tensor.element_size()
        entries[str(index)] = {
            "dtype": names[tensor.dtype],
            "shape": list(_as_it_lies(tensor).shape),
            "data_offsets": [begin, end],
        }
    metadata = {"sha256": BLANK, "vangram": json.dumps(values)}
    text = json.dumps({"__metadata__": metadata} | entries, separators=(",", ":")).encode()
    assert text.startswith(START)
    text += b" " * (-len(text) % LENGTH)
    return len(text).to_bytes(LENGTH, "little") + text


def _as_it_lies(tensor: Tensor) -> Tensor:
    """A view of a tensor with its dimensions in the order of their strides, the longest first."""
    return tensor.permute(sorted(range(tensor.ndim), key=tensor.stride, reverse=True))


def _dense(tensor: Tensor) -> Tensor:
    """The tensor, or a copy of one with gaps between its values."""
    return tensor if _as_it_lies(tensor).is_contiguous() else tensor.contiguous()


def _bytes(tensor: Tensor) -> memoryview:
    """The memory of a contiguous tensor on the CPU."""
    return tensor.view(-1).view(torch.uint8).numpy().data


def _tensor(
    handle: BinaryIO, storage: Storage, dtype: torch.dtype, shape: list[int], strides: list[int]
) -> Tensor:
    # Into memory of torch's own, aligned as any other tensor's.
    flat = storage.empty((math.prod(shape),), torch.empty(0, dtype=dtype))
    data = _bytes(flat)
    for first in range(0, len(data), CHUNK):
        part = data[first : first + CHUNK]
        if handle.readinto(part) != len(part):  # type: ignore[attr-defined]
            raise ValueError("the file ends too early")
        storage.release()
    return flat.as_strided(shape, strides)
