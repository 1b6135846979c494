"""Files other than pictures for `benchmarks.fuzz`, and how each is read."""

from __future__ import annotations

import hashlib
import io
import json
import math
import random
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import tomli_w
import torch
from PIL import Image
from safetensors.torch import save

from vangram.batch import MANIFEST, Batch, read_pairs
from vangram.images import keep_mask, read_picture
from vangram.networks import load_network
from vangram.networks.cache import parameters_path
from vangram.run import Checkpoint, Run, read_checkpoint, write_checkpoint
from vangram.run.checkpoint_file import BLANK, DIGEST
from vangram.run.regions import read_regions
from vangram.settings.inputs import Inputs
from vangram.settings.recipe import Recipe
from vangram.settings.record import Input, Record
from vangram.settings.toml import read_toml, write_recipe_file

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LAYERS = ["relu1_1"]
"""Layers of the parameter files."""
WORDS = (
    b"null", b"true", b"-1", b"1e999", b"nan", b"9" * 5000, b'""', b"{}", b"[" * 3000, b"\x00",
    b"\xff\xfe", b"\x1b[2J", b"/dev/zero", b"..", b'"format": 1e9, ', b'"size": 1, "size": 2, ',
)  # fmt: skip
"""What may stand in a text by mistake or by intent."""
VALUES: tuple[object, ...] = (
    None, True, 0, -1, 3, 2**63, 10**400, 1e-300, math.inf, math.nan, "", "none", "4GB", "1,2,3",
    "relu1_1", "relu9_9:2", "/dev/zero", "\x1b[2J\nvangram: error:", "x" * 100_000, [], [[]], {},
    [1, -1], {"relu1_1": 1.0}, {"relu1_1": "1"}, {"a": {"b": []}},
)  # fmt: skip
"""What may stand in place of a value."""


@dataclass(frozen=True)
class FileKind:
    """A kind of file: one of them, how it is read, and whether a digest guards it."""

    data: bytes
    read: Callable[[Path], object]
    """A value that is equal for equal contents."""
    pinned: bool = False
    """Whether a file that is read must be what it was."""
    mend: Callable[[bytes], bytes] | None = None
    """Make the digest of a mutated file right; None: nothing can."""
    text: bool = False


def file_kinds() -> dict[str, FileKind]:
    """Small files of each kind, by name."""
    network = load_network("vgg19-lite", layers=LAYERS).state_dict()
    zipped = io.BytesIO()
    torch.save({name: values.contiguous() for name, values in network.items()}, zipped)
    record = _record()
    manifest = {"format": 1, "pictures": [{"picture": "a.png", "photo": "b.png", "state": "made"}]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        write_recipe_file(path, record.recipe)
        recipe = path.read_bytes()
        write_checkpoint(path, _checkpoint())
        checkpoint = path.read_bytes()
    return {
        "checkpoint": FileKind(checkpoint, _of_checkpoint, pinned=True, mend=_mended),
        "recipe.toml": FileKind(recipe, read_toml, text=True),
        "record.json": FileKind(record.to_json().encode(), _of_record, text=True),
        "batch.json": FileKind(json.dumps(manifest).encode(), _of_manifest, text=True),
        "pairs.csv": FileKind(b"photo,painting\nfile,file\n", _of_table, text=True),
        "mask.png": FileKind(_mask(), _of_mask),
        "given.safetensors": FileKind(save(_contiguous(network)), _of_given),
        "given.pth": FileKind(zipped.getvalue(), _of_given),
        "shipped.safetensors": FileKind(
            parameters_path("vgg19-lite").read_bytes(), _of_shipped, pinned=True
        ),
    }


def change_a_word(data: bytearray, chance: random.Random) -> None:
    """Put one of `WORDS` in place of a word, or before it."""
    ends = [at for at, byte in enumerate(data) if byte in b' ,:"\n=[]{}'] or [0]
    at = chance.choice(ends) + 1
    length = next((n for n, byte in enumerate(data[at:]) if byte in b' ,:"\n=[]{}'), 0)
    data[at : at + chance.choice((0, length))] = chance.choice(WORDS)


def change_a_value(data: bytearray, chance: random.Random) -> None:
    """Put one of `VALUES` in place of a value of JSON or TOML; of other texts change a word."""
    try:
        whole, write = _parsed(data)
    except (ValueError, RecursionError):
        return change_a_word(data, chance)
    inside: Any = whole
    while True:
        keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
        if not keys:
            return None
        key = chance.choice(keys)
        if not isinstance(inside[key], dict | list) or chance.random() < 0.3:
            break
        inside = inside[key]
    inside[key] = chance.choice(VALUES)
    with suppress(TypeError, ValueError):  # TOML has no null
        data[:] = write(whole).encode(errors="surrogatepass")
    return None


def _parsed(data: bytearray) -> tuple[Any, Callable[[Any], str]]:
    """The object in JSON or TOML, and the function that writes it."""
    if data.startswith(b"{"):
        return json.loads(data), json.dumps
    found = tomllib.loads(data.decode())
    if not found:
        raise ValueError("no values")
    return found, tomli_w.dumps


def _contiguous(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: values.contiguous() for name, values in tensors.items()}


def _checkpoint() -> Checkpoint:
    pictures = (torch.rand(3, 16, 24, generator=torch.Generator().manual_seed(n)) for n in (1, 2))
    layers = {"relu1_1": 1.0}
    run = Run.prepare(*pictures, size=24, steps=3, content_layers=layers, style_layers=layers)
    *_, step = run
    return Checkpoint(run.record, step.state)


def _record() -> Record:
    return Record(
        recipe=Recipe(size=64, style_layers={"relu1_1": 1.0}),
        inputs=Inputs(content=Input("a.png", "0" * 64), styles=(Input("b.png", "1" * 64),)),
        network_sha256="2" * 64,
        versions={"vangram": "0", "torch": "2"},
    )


def _mask() -> bytes:
    levels = np.zeros((24, 32, 4), np.uint8)
    levels[:, 10:20, :3], levels[:, 20:, 0], levels[4:, :, 3] = 255, 200, 255
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "PNG")
    return file.getvalue()


def _mended(data: bytes) -> bytes:
    """A checkpoint with the right digest."""
    blank = data[: DIGEST.start] + BLANK.encode() + data[DIGEST.stop :]
    digest = hashlib.sha256(blank).hexdigest().encode()
    return data[: DIGEST.start] + digest + data[DIGEST.stop :]


def _of_checkpoint(path: Path) -> object:
    found = read_checkpoint(path)
    state, tensors = (None, []) if found.position is None else found.position.parts()
    return found.record.to_json(), repr(state), [each.numpy().tobytes() for each in tensors]


def _of_record(path: Path) -> object:
    record = Record.from_json(path.read_text(encoding="utf-8", errors="surrogateescape"))
    lines = record.differences(_record()) + _record().differences(record)
    return record.located(path).published(path).to_json(), lines


def _of_manifest(path: Path) -> object:
    """Check a manifest, and write it again without pictures that are not there."""
    path.replace(path.with_name(MANIFEST))
    batch = Batch(path.parent, (), Recipe(), None, "", {})
    batch._check_manifest()
    batch.write_manifest()
    return path.with_name(MANIFEST).read_bytes()


def _of_table(path: Path) -> object:
    return read_pairs(str(path), "png")


def _of_mask(path: Path) -> object:
    mask = read_picture(path)
    regions, _ = read_regions(mask, (), [mask])
    return [region.weights.numpy().tobytes() for region in regions], keep_mask(mask).notes


def _of_given(path: Path) -> object:
    network = load_network("vgg19-lite", layers=LAYERS, parameters=path)
    return network.sha256, [bool(values.isfinite().all()) for values in network.parameters()]


def _of_shipped(path: Path) -> object:
    """The network that ships, with this file in place of its parameters."""
    with (
        patch("vangram.networks.cache.parameters_path", lambda name: path),
        patch("vangram.networks.load.parameters_path", lambda name: path),
    ):
        return load_network("vgg19-lite", layers=LAYERS).sha256
