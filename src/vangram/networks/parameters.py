"""Parameter files: the tensors that a network needs are read, and no others.

Two naming schemes are read: ours, as `conv1_1.weight`, whose first filters take RGB; and
torchvision's, as `features.0.weight`, whose first filters take the channel order of the registry.
Filters in 8 bits, as `conv1_1.weight`, have a scale for each output channel, as `conv1_1.scale`.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vangram.errors import LayerError, NetworkError, is_out_of_memory
from vangram.networks.registry import VGG19_ORIGINAL_BIAS
from vangram.networks.topology import Topology
from vangram.storage.files import open_regular, quoted, reason

DAMAGE = (
    SafetensorError, RuntimeError, ValueError, EOFError, LookupError, TypeError, AttributeError,
    AssertionError, zipfile.BadZipFile,
)  # fmt: skip
"""Exceptions that torch and safetensors raise for a damaged file."""


@dataclass(frozen=True)
class _File:
    """An open file: its tensors' names, and a function from a name to its tensor."""

    names: frozenset[str]
    get: Callable[[str], Any]


def read_parameters(
    path: Path,
    topology: Topology,
    shapes: dict[str, torch.Size],
    *,
    channel_order: str,
    remedy: str,
) -> dict[str, Tensor]:
    """Read a network's parameters from a .pth or .safetensors file, recognised by its content.

    No code in the file is executed.

    Args:
        path: the file; it may hold more, or end after the topology's deepest layer.
        topology: of the network.
        shapes: our names -> shapes of the tensors needed.
        channel_order: of the input channels of `features.0.weight`: "RGB" or "BGR".
        remedy: advice at the end of an error's text.

    Returns:
        Our names -> float tensors in RGB order.

    Raises:
        LayerError: the file ends before the deepest layer.
        NetworkError: it is missing, damaged, of other shapes, or no parameter file.
    """
    with _one_line_errors(path, remedy), _open(path) as file:
        aliases = _aliases(topology, file.names, shapes)
        _check_deep_enough(path, topology, file.names, aliases)
        tensors = {
            name: _checked(name, aliases[name], file, shape) for name, shape in shapes.items()
        }
        bgr = channel_order == "BGR" or is_original_vgg19(tensors)
        if bgr and aliases["conv1_1.weight"].startswith("features."):
            tensors["conv1_1.weight"] = tensors["conv1_1.weight"].flip(1)
        return tensors


def is_original_vgg19(tensors: Mapping[str, Tensor]) -> bool:
    """Whether parameters, by our names, are those of the original VGG-19."""
    first = torch.tensor(VGG19_ORIGINAL_BIAS)
    found = tensors["conv1_1.bias"][: len(first)].float()
    # Half precision keeps three digits.
    return found.shape == first.shape and torch.allclose(found, first, rtol=1e-3, atol=0)


def quantised(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Filters in 8 bits: the integers (out, ...) int8 and their scales (out,), float32.

    Each output channel is rounded to multiples of a 127th of its largest weight.
    """
    scale = weight.flatten(1).abs().amax(1).clamp_min(torch.finfo(torch.float32).tiny) / 127
    return (weight / _along(scale, weight)).round().to(torch.int8), scale


def dequantised(integers: Tensor, scale: Tensor) -> Tensor:
    """Filters (out, ...) float32 from what `quantised` gave."""
    return integers.float() * _along(scale, integers)


def scale_name(weight: str) -> str:
    """Name of the scales of filters "conv1_1.weight", ..."""
    return weight.replace(".weight", ".scale")


def _along(scale: Tensor, weight: Tensor) -> Tensor:
    return scale.view(-1, *[1] * (weight.dim() - 1))


class _FaultError(Exception):
    """A file cannot be used; the text continues a sentence that starts with its name."""


@contextmanager
def _one_line_errors(path: Path, remedy: str) -> Iterator[None]:
    """Turn any exception of reading a file into a NetworkError of one line."""
    try:
        yield
        return
    except _FaultError as error:
        fault, cause = str(error), error.__cause__
    except FileNotFoundError as error:
        fault, cause = "is not there", error
    except OSError as error:
        fault, cause = f"cannot be read ({reason(error)})", error
    except pickle.UnpicklingError as error:
        runs = "GLOBAL" in str(error) or "Unsupported class" in str(error)
        fault = "contains code, which vangram does not run" if runs else "is damaged"
        cause = error
    except DAMAGE as error:
        if is_out_of_memory(error):
            raise
        fault, cause = f"is damaged ({type(error).__name__})", error
    raise NetworkError(f"{quoted(path)} {fault}; {remedy}") from cause


@contextmanager
def _open(path: Path) -> Iterator[_File]:
    with open_regular(path) as handle:
        start = handle.read(9)
    if len(start) == 9 and start[8:] == b"{":  # safetensors: the header's length, then JSON
        with safe_open(path, framework="pt") as tensors:
            yield _File(frozenset(tensors.keys()), tensors.get_tensor)
    elif start[:2] == b"PK" or start[:1] == b"\x80":
        # A zip archive is memory-mapped; files of torch before 1.6 are read whole.
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=start[:2] == b"PK")
        if not isinstance(found, dict):
            raise _FaultError(f"holds a {type(found).__name__} and no parameters by name")
        yield _File(frozenset(name for name in found if isinstance(name, str)), found.__getitem__)
    else:
        raise _FaultError(
            "is no file of parameters (.pth or .safetensors)" if start else "is empty"
        )


def _aliases(topology: Topology, names: frozenset[str], ours: Iterable[str]) -> dict[str, str]:
    """Our names -> names in the file."""
    if "conv1_1.weight" in names or topology.heads:
        return {name: name for name in ours}
    aliases, index = {}, 0
    for block, depth in enumerate(topology.depths, start=1):
        for number in range(1, depth + 1):
            for kind in ("weight", "bias"):
                aliases[f"conv{block}_{number}.{kind}"] = f"features.{index}.{kind}"
            index += 2  # the convolution and its ReLU
        index += 1  # the pooling
    return aliases


def _check_deep_enough(
    path: Path, topology: Topology, names: frozenset[str], aliases: dict[str, str]
) -> None:
    """Raise where a file ends before the topology's deepest layer."""
    missing = {name.split(".")[0] for name, alias in aliases.items() if alias not in names}
    if not missing:
        return
    modules = [f"conv{name}" for name in topology.convolutions]
    there = [module not in missing for module in modules]
    first = there.index(False) if False in there else len(modules)
    if not any(there):
        raise _FaultError("has none of the network's parameters, as conv1_1.weight")
    if not first or any(there[first:]) or topology.heads:
        raise _FaultError(f"lacks {', '.join(sorted(missing))}")
    layers = topology.layers
    raise LayerError(
        f"{quoted(path)} has layers up to {layers[first - 1]}, and {layers[-1]} needs"
        f" {modules[first]}; ask for shallower layers, or give a whole file"
    )


def _checked(name: str, alias: str, file: _File, shape: torch.Size) -> Tensor:
    tensor = file.get(alias)
    if isinstance(tensor, Tensor) and tensor.dtype == torch.int8:
        scale = file.get(scale_name(alias)) if scale_name(alias) in file.names else None
        if not isinstance(scale, Tensor) or scale.shape != shape[:1]:
            raise _FaultError(f"lacks {scale_name(alias)}, a scale for each filter of {alias}")
        tensor = dequantised(tensor, scale)
    if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
        raise _FaultError(f"has a {alias} that is no tensor of floating-point numbers")
    if tensor.shape != shape:
        found, wanted = (" x ".join(map(str, each)) for each in (tensor.shape, shape))
        raise _FaultError(f"is of another network: its {alias} is {found}, {name} is {wanted}")
    if not torch.isfinite(tensor).all():
        raise _FaultError(f"is damaged: its {alias} is not finite")
    return tensor
