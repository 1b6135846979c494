"""Where downloaded parameters lie, and how it is known that they are still what they were.

The place is torch's own (`TORCH_HOME` moves it), so a VGG that another program downloaded is found.
Names end in the first eight digits of the file's SHA-256, as torch's do. The whole hash is written
beside the file when it is first seen, and compared each time the file is read.
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
    """Where a network's parameters are, or would be once they are downloaded.

    Raises:
        NetworkError: there is no network of this name.
    """
    network = network_named(name)
    if not network.urls:
        return Path(str(resources.files("vangram.networks") / network.file))
    return Path(torch.hub.get_dir()) / "checkpoints" / network.file


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as handle:
        return sha256_of_open(handle)


def verified_sha256(name: str) -> str:
    """SHA-256 of a network's parameters, which are what they were when they were first seen.

    Raises:
        NetworkError: they are missing or have changed, or there is no network of this name.
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
    """Whether a hash is what a file's name begins to tell, and what was first seen, if it was."""
    return matches_file_name(path, found) and read_pin(path) in (None, found)


def matches_file_name(path: Path, found: str) -> bool:
    """Whether a hash begins with the digits in a file's name."""
    digits = re.search(r"-([0-9a-f]{8,64})\.", path.name)
    return digits is not None and found.startswith(digits[1])


def write_pin(path: Path, found: str) -> None:
    """Write a file's hash beside it, unless it is there or the folder is not ours to write to."""
    if read_pin(path) != found:
        with suppress(OutputError), replacing(_pin_path(path)) as handle:
            handle.write(f"{found}  {path.name}\n".encode())


def read_pin(path: Path) -> str | None:
    """The hash written beside a file; None where there is none."""
    try:
        words = _pin_path(path).read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return None
    return words[0] if words else None


def _pin_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
