"""Parameters from the network to where `cache` wants them: whole, checked, or not at all.

What has come so far is kept in FILE.part, and a later call goes on from there if the server lets
it. The file takes its name only when its hash is right; two processes do it once.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from vangram.errors import NetworkError
from vangram.networks.cache import (
    OFFLINE,
    hash_matches,
    matches_file_name,
    parameters_path,
    sha256_of,
    write_pin,
)
from vangram.networks.registry import Network, network_named
from vangram.storage.files import quoted, reason

if TYPE_CHECKING:
    from requests import Response

CONNECT_SECONDS = 10.0
"""To wait for a server to answer at all."""
READ_SECONDS = 30.0
"""To wait for the next bytes."""
CUTS = 5
"""Connections that may break off after they brought something, before an address is given up."""
PAUSE_SECONDS = 1.0
"""After a cut."""
BLOCK = 2**18
"""Bytes at a time; progress is told after each."""

Progress = Callable[[int, int | None], None]
"""Bytes that are here, of how many, where the server tells."""


class _UnavailableError(Exception):
    """Why an address does not give the file, in words that fit in brackets."""


class _CutError(Exception):
    """A connection that broke off."""


def fetch_network(name: str, progress: Progress | None = None) -> Path:
    """Download a network's parameters, unless they are here.

    Args:
        name: out of `NETWORKS`.
        progress: told now and then how far it is.

    Returns:
        Where they are.

    Raises:
        NetworkError: no address gives the right file, there is no room for it, or no such network.
    """
    network, path = network_named(name), parameters_path(name)
    if not network.urls:
        return path
    from filelock import FileLock

    with _writing(name, path):
        if _is_here(path):  # perhaps in a place that cannot be written to
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            if not _is_here(path):
                _fetch(name, network, path, progress or (lambda done, total: None))
    return path


def _is_here(path: Path) -> bool:
    if not path.exists() or not hash_matches(path, found := sha256_of(path)):
        return False
    write_pin(path, found)
    return True


@contextmanager
def _writing(name: str, path: Path) -> Iterator[None]:
    """Tell of a place that cannot be written to, as of a full disk."""
    try:
        yield
    except OSError as error:
        raise NetworkError(
            f"{quoted(path)} cannot be written ({reason(error)}): free some space, or set"
            f" TORCH_HOME to a place with room, then `vangram networks fetch {name}`; {OFFLINE}"
        ) from error


def _fetch(name: str, network: Network, path: Path, progress: Progress) -> None:
    """Try the addresses in order.

    Raises:
        NetworkError: none gives the file.
        OSError: it cannot be written.
    """
    faults = []
    for address in network.urls:
        try:
            _Download(address, path, progress).run()
            return
        except _UnavailableError as error:
            faults.append(f"{address} ({error})")
    raise NetworkError(
        f"{name} cannot be fetched from {', nor from '.join(faults)}: try"
        f" `vangram networks fetch {name}` again later, or put the file at {quoted(path)}"
        f" yourself; {OFFLINE}"
    )


@dataclass
class _Download:
    """One address, and the file that it is to give."""

    address: str
    path: Path
    progress: Progress

    @property
    def part(self) -> Path:
        """What is here so far."""
        return self.path.with_name(f"{self.path.name}.part")

    @property
    def origin(self) -> Path:
        """The address that the part is from, and the version there, on a line each."""
        return self.path.with_name(f"{self.path.name}.part.from")

    def run(self) -> None:
        """Bring the file, going on from a part that is here.

        Raises:
            _UnavailableError: this address does not give it.
            OSError: it cannot be written.
        """
        resumed = _size(self.part) > 0
        self._complete()
        found = sha256_of(self.part)
        if resumed and not matches_file_name(self.path, found):
            # The part may have been another version's, or another address's: once more, from 0.
            self._discard()
            self._complete()
            found = sha256_of(self.part)
        if not matches_file_name(self.path, found):
            self._discard()
            raise _UnavailableError(f"not the right file, its SHA-256 begins with {found[:8]}")
        os.replace(self.part, self.path)
        self.origin.unlink(missing_ok=True)
        write_pin(self.path, found)

    def _complete(self) -> None:
        """Bring what is missing, through a few cuts."""
        for cuts in range(CUTS + 1):
            before = _size(self.part)
            try:
                self._bring()
                return
            except _CutError as error:
                # Without progress, another try would bring nothing either.
                if _size(self.part) <= before or cuts == CUTS:
                    raise _UnavailableError(str(error)) from error
            time.sleep(PAUSE_SECONDS)

    def _bring(self) -> None:
        """One connection, from the end of the part to the end of the file."""
        import requests

        done = _size(self.part)
        try:
            with requests.get(
                self.address,
                headers=self._headers(done),
                stream=True,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
            ) as response:
                if done and response.status_code == 416:  # there is no more, or another version
                    return
                if response.status_code not in (200, 206):
                    raise _UnavailableError(f"it answers {response.status_code}")
                if response.status_code == 200 or _first(response) == done:
                    self._keep(response, done if response.status_code == 206 else 0)
                    return
                if not done:
                    raise _UnavailableError("it gives a part that was not asked for")
                self._discard()
        except requests.ConnectTimeout as error:
            raise _UnavailableError(f"no answer in {CONNECT_SECONDS:g} s") from error
        except requests.RequestException as error:
            raise _fault(error, done < _size(self.part)) from error
        self._bring()  # from the first byte, as it gave another part than was asked for

    def _headers(self, done: int) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity"}  # so that bytes are the file's
        if done:
            headers["Range"] = f"bytes={done}-"
            with suppress(OSError, ValueError):
                address, version = self.origin.read_text(encoding="utf-8").splitlines()
                if address == self.address:
                    headers["If-Range"] = version
        return headers

    def _keep(self, response: Response, done: int) -> None:
        """Write what comes behind the first bytes of the part, `done` of them."""
        length = response.headers.get("Content-Length", "")
        total = done + int(length) if length.isdecimal() else None
        if not done:
            self._discard()
            version = response.headers.get("ETag") or response.headers.get("Last-Modified")
            if version and not version.startswith("W/"):  # a weak one may stand for other bytes
                self.origin.write_text(f"{self.address}\n{version}\n", encoding="utf-8")
        with open(self.part, "ab" if done else "wb") as handle:
            self.progress(done, total)
            for block in response.iter_content(BLOCK):
                _write(handle, block)
                done += len(block)
                self.progress(done, total)
            handle.flush()
            os.fsync(handle.fileno())
        if total is not None and done < total:
            raise _CutError(f"it ended after {done} of {total} bytes")

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.origin.unlink(missing_ok=True)


def _write(handle: BinaryIO, block: bytes) -> None:
    handle.write(block)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _first(response: Response) -> int | None:
    """Where the part of the file begins that a server says it gives."""
    told = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(told[1]) if told else None


def _fault(error: Exception, progressed: bool) -> _UnavailableError | _CutError:
    """What is wrong with a connection: never there, silent, or cut."""
    words = " ".join(str(error).split())
    if "timed out" in words.lower():
        return _CutError(f"nothing came for {READ_SECONDS:g} s")
    if progressed:
        return _CutError("the connection broke off")
    if "NameResolution" in words or "Name or service" in words:
        return _UnavailableError("its name is not known here; is this machine offline?")
    if "refused" in words.lower():
        return _UnavailableError("connection refused")
    return _UnavailableError(f"no connection, {type(error).__name__}")
