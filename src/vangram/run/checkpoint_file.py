"""The checkpoint file: a run's record and state, written atomically.

The file is in the safetensors format: eight bytes with the length of the header, the header in
JSON, then the tensors' bytes. Its metadata are

    sha256     of the whole file, with zeros in place of these 64 digits
    vangram    JSON: the format's number, the record, the state without its tensors, and each
               tensor's shape and strides

Tensors keep their memory order, because sums over another order round differently. There is no
random state: the recipe's seed decides the first image, and nothing later is random.

Tensors are written one after the other from where they are, because a second copy of all might not
fit into memory.
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
from vangram.storage.files import open_regular, quoted, reason, replacing
from vangram.storage.tensors import IN_MEMORY, SpilledStorage, Storage, evict

FORMAT = 1
"""Version of the metadata, raised when an older vangram could no longer read them."""
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
"""Data types by the names of the safetensors format."""
LENGTH = 8
"""Bytes of the header's length; the header is padded to a multiple of them."""
START = b'{"__metadata__":{"sha256":"'
"""Beginning of every header; with it, the digest has a fixed place."""
DIGEST = slice(LENGTH + len(START), LENGTH + len(START) + 64)
BLANK = "0" * 64
CHUNK = 1 << 24
"""Bytes read or written at a time."""
SPILL_ABOVE = 1 / 8
"""Share of the run's memory above which the tensors of a checkpoint are read into files."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Everything that is needed to continue a run."""

    record: Record
    position: RunState | None = None
    """State of the run; None before the first step."""


def write_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write a checkpoint; an older one at that path is replaced only by a complete one.

    One process at a time may write to a path.

    Raises:
        OutputError: it cannot be written; an older one is not changed.
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
                evict()
        handle.seek(DIGEST.start)
        handle.write(digest.hexdigest().encode())


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint, its tensors onto the CPU.

    Raises:
        CheckpointError: it is missing, damaged, or of an unknown format.
    """
    try:
        with open_regular(path) as handle:
            return _read(handle)
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {quoted(path)}; check the path") from None
    except OSError as error:
        raise CheckpointError(
            f"{quoted(path)} cannot be read ({reason(error)}); check it and its permissions"
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
    # From here on, the contents were written by this program.
    if not _is_whole(handle):
        raise ValueError("the digest is another one")
    handle.seek(LENGTH + length)
    record = Record.from_json(values["record"])
    memory, size = record.recipe.memory, os.fstat(handle.fileno()).st_size
    storage = SpilledStorage() if memory and size > SPILL_ABOVE * memory else IN_MEMORY
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
    """Everything before the tensors, with a blank digest."""
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
    """A view of a tensor with its dimensions by descending stride."""
    return tensor.permute(sorted(range(tensor.ndim), key=tensor.stride, reverse=True))


def _dense(tensor: Tensor) -> Tensor:
    """The tensor, or a contiguous copy if there are gaps between its values."""
    return tensor if _as_it_lies(tensor).is_contiguous() else tensor.contiguous()


def _bytes(tensor: Tensor) -> memoryview:
    """The memory of a contiguous tensor on the CPU."""
    return tensor.view(-1).view(torch.uint8).numpy().data


def _tensor(
    handle: BinaryIO, storage: Storage, dtype: torch.dtype, shape: list[int], strides: list[int]
) -> Tensor:
    # Allocated by torch, for its alignment.
    flat = storage.empty((math.prod(shape),), torch.empty(0, dtype=dtype))
    data = _bytes(flat)
    for first in range(0, len(data), CHUNK):
        part = data[first : first + CHUNK]
        if handle.readinto(part) != len(part):  # type: ignore[attr-defined]
            raise ValueError("the file ends too early")
        evict()
    return flat.as_strided(shape, strides)
