"""Cache of parameter files, verified by their SHA-256.

Downloads lie in torch's own cache (`TORCH_HOME` moves it), so a VGG that another program downloaded
is found. File names end in the first eight digits of the SHA-256, as torchvision's do. The whole
hash is written beside a file when it is first seen, and compared each time the file is read.
"""

from __future__ import annotations

import re
from contextlib import suppress
from importlib import resources
from pathlib import Path

import torch

from vangram.errors import NetworkError, OutputError
from vangram.networks.registry import network_named
from vangram.storage.files import quoted, reason, replacing
from vangram.storage.files import sha256_of as sha256_of_open

OFFLINE = "--network vgg19-lite works offline"


def parameters_path(name: str) -> Path:
    """Path of a network's parameters, downloaded or not.

    Raises:
        NetworkError: there is no network of this name.
    """
    network = network_named(name)
    if not network.urls:
        return Path(str(resources.files("vangram.networks") / network.file))
    return Path(torch.hub.get_dir()) / "checkpoints" / network.file


def sha256_of(path: Path) -> str:
    """SHA-256 of a file by its path, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as handle:
        return sha256_of_open(handle)


def verified_sha256(name: str) -> str:
    """SHA-256 of a network's parameter file, after verifying it.

    Raises:
        NetworkError: the file is missing, unreadable or has changed, or there is no such network.
    """
    network, path = network_named(name), parameters_path(name)
    if not path.exists():
        if not network.urls:
            raise NetworkError(f"{quoted(path)} is not there; reinstall vangram")
        raise NetworkError(
            f"the parameters of {name} are not here: `vangram networks fetch {name}` brings"
            f" {network.size / 1e6:.0f} MB from {network.urls[0]} to {quoted(path)};"
            f" {OFFLINE}"
        )
    try:
        found = sha256_of(path)
    except OSError as error:
        raise NetworkError(
            f"{quoted(path)} cannot be read ({reason(error)}); make it readable"
        ) from error
    if network.urls and not hash_matches(path, found):
        raise NetworkError(
            f"{quoted(path)} is damaged: its SHA-256 is not what it was;"
            f" `vangram networks fetch {name}` brings it anew"
        )
    if network.urls:
        write_pin(path, found)
    return found


def hash_matches(path: Path, found: str) -> bool:
    """Whether a SHA-256 matches the digits in a file's name and the hash written beside it."""
    return matches_file_name(path, found) and read_pin(path) in (None, found)


def matches_file_name(path: Path, found: str) -> bool:
    """Whether a SHA-256 starts with the digits in a file's name."""
    digits = re.search(r"-([0-9a-f]{8,64})\.", path.name)
    return digits is not None and found.startswith(digits[1])


def write_pin(path: Path, found: str) -> None:
    """Write a file's SHA-256 beside it, unless it is there or the folder cannot be written."""
    if read_pin(path) != found:
        with suppress(OutputError), replacing(_pin_path(path)) as handle:
            handle.write(f"{found}  {path.name}\n".encode())


def read_pin(path: Path) -> str | None:
    """SHA-256 written beside a file; None without one."""
    try:
        words = _pin_path(path).read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return None
    return words[0] if words else None


def _pin_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
