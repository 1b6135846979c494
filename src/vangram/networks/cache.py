"""Cache of parameter files, verified by their SHA-256.

Downloads lie in torch's own cache (`TORCH_HOME` moves it), so a VGG that another program downloaded
is found. File names end in the first eight digits of the SHA-256, as torchvision's do. Where the
registry does not have the whole hash, it is written beside the file when it is first seen, and
compared each time the file is read. Symbolic links are not followed.
"""

from __future__ import annotations

import re
from contextlib import suppress
from importlib import resources
from pathlib import Path

import torch

from vangram.errors import NetworkError, OutputError
from vangram.networks.registry import Network, network_named
from vangram.storage.files import open_regular, quoted, reason, replacing
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


def remedy_for(name: str) -> str:
    """Advice where a network's own file is missing or damaged."""
    fetch = f"`vangram networks fetch {name}` brings it anew"
    return fetch if network_named(name).urls else "reinstall vangram"


def sha256_of(path: Path, *, follow_links: bool = True) -> str:
    """SHA-256 of a file by its path, in hexadecimal.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    with open_regular(path, follow_links=follow_links) as handle:
        return sha256_of_open(handle)


def verified_sha256(name: str) -> str:
    """SHA-256 of a network's parameter file, after verifying it.

    Raises:
        NetworkError: the file is missing, unreadable or has changed, or there is no such network.
    """
    network, path = network_named(name), parameters_path(name)
    if network.urls and path.is_symlink():
        raise NetworkError(
            f"{quoted(path)} is a symbolic link, which is not followed; put the file itself"
            f" there, or give it with --parameters"
        )
    if not path.exists():
        if not network.urls:
            raise NetworkError(f"{quoted(path)} is not there; {remedy_for(name)}")
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
    if not hash_matches(network, path, found):
        raise NetworkError(
            f"{quoted(path)} is damaged: its SHA-256 is not what it was; {remedy_for(name)}"
        )
    write_pin(network, path, found)
    return found


def hash_matches(network: Network, path: Path, found: str) -> bool:
    """Whether a SHA-256 is the registry's, or agrees with the file's name and what was seen."""
    pinned = None if network.sha256 else read_pin(path)
    return matches_registry(network, found) and pinned in (None, found)


def matches_registry(network: Network, found: str) -> bool:
    """Whether a SHA-256 is the registry's, or starts with the digits in the file's name."""
    if network.sha256 is not None:
        return found == network.sha256
    digits = re.search(r"-([0-9a-f]{8,64})\.", network.file)
    return digits is not None and found.startswith(digits[1])


def write_pin(network: Network, path: Path, found: str) -> None:
    """Write a file's SHA-256 beside it, unless it is known or the folder cannot be written."""
    if network.sha256 is None and read_pin(path) != found:
        pin = replacing(_pin_path(path), follow_links=False)
        with suppress(OutputError), pin as handle:
            handle.write(f"{found}  {path.name}\n".encode())


def read_pin(path: Path) -> str | None:
    """SHA-256 written beside a file; None without one."""
    try:
        with open_regular(_pin_path(path), follow_links=False) as handle:
            words = handle.read(200).decode().split()
    except (OSError, ValueError):
        return None
    return words[0] if words else None


def _pin_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
