"""The student's file: what ships, and what the next training begins with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from vangram.networks.parameters import dequantised, quantised, scale_name

NETWORK = "vgg19-lite.safetensors"
IN_8_BITS = frozenset(f"conv{name}.weight" for name in ("4_2", "4_3", "4_4", "5_1"))
"""The largest filters."""


def write_student(parameters: Mapping[str, Tensor], path: Path) -> None:
    """Write parameters in half precision and 8 bits, whole or not at all."""
    stored = {name: p.half().contiguous() for name, p in parameters.items()}
    for name in IN_8_BITS & parameters.keys():
        integers, stored[scale_name(name)] = quantised(parameters[name])
        stored[name] = integers.contiguous()
    part = path.with_suffix(".part")
    save_file(stored, part)
    os.replace(part, path)


def read_student(path: Path) -> dict[str, Tensor]:
    """Parameters by name, in float32."""
    stored = load_file(path)
    scales = {name: stored.pop(name) for name in list(stored) if name.endswith(".scale")}
    return {
        name: p.float() if p.is_floating_point() else dequantised(p, scales[scale_name(name)])
        for name, p in stored.items()
    }
