"""Download of parameter files into the cache: resumed after a cut, verified, once per machine.

The bytes received so far are kept in FILE.part, from which a later call resumes if the server
allows it. The file is renamed to its final name once its hash is verified. A lock makes concurrent
processes download once.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vangram.errors import NetworkError
from vangram.networks.cache import (
    OFFLINE,
    hash_matches,
    matches_registry,
    parameters_path,
    sha256_of,
    write_pin,
)
from vangram.networks.registry import Network, network_named
from vangram.storage.files import open_regular, quoted, reason

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

CONNECT_SECONDS = 10.0
"""Time limit for a server's first answer."""
READ_SECONDS = 30.0
"""Time limit for the next bytes."""
MAX_RETRIES = 5
"""Retries after connections that broke off with some progress, per address."""
PAUSE_SECONDS = 1.0
"""Pause before a retry."""
HEADERS = 2**20
"""Bytes that a file may have beside its tensors, at most."""
BLOCK = 2**18
"""Bytes read between two reports of progress."""

Progress = Callable[[int, int | None], None]
"""(bytes received, total bytes or None where the server does not say)."""


class _UnavailableError(Exception):
    """An address does not provide the file; the text gives the reason and fits in brackets."""


class _CutError(Exception):
    """A connection broke off."""


def fetch_network(name: str, progress: Progress | None = None) -> Path:
    """Download a network's parameters, unless they are in the cache.

    Args:
        name: out of `NETWORKS`.
        progress: called after each block.

    Returns:
        Path of the file.

    Raises:
        NetworkError: no address provides the file, it cannot be written, or there is no such
            network.
    """
    network, path = network_named(name), parameters_path(name)
    if not network.urls:
        return path
    from filelock import FileLock

    with _write_errors(name, path):
        if _is_cached(network, path):  # checked before the lock, as the folder may be read-only
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            if not _is_cached(network, path):
                _fetch(name, network, path, progress or (lambda done, total: None))
    return path


def _is_cached(network: Network, path: Path) -> bool:
    if path.is_symlink() or not path.exists():
        return False
    found = sha256_of(path, follow_links=False)
    if not hash_matches(network, path, found):
        return False
    write_pin(network, path, found)
    return True


@contextmanager
def _write_errors(name: str, path: Path) -> Iterator[None]:
    """Turn an OSError while writing into a NetworkError."""
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
        NetworkError: none provides the file.
        OSError: the file cannot be written.
    """
    faults = []
    for address in network.urls:
        try:
            _Download(network, address, path, progress).run()
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
    """A download from one address."""

    network: Network
    address: str
    path: Path
    progress: Progress

    @property
    def limit(self) -> int:
        """Most bytes to receive; registry sizes may lack the file's headers."""
        return self.network.size + HEADERS

    @property
    def part(self) -> Path:
        """File of the bytes received so far."""
        return self.path.with_name(f"{self.path.name}.part")

    @property
    def origin(self) -> Path:
        """File of the part's address and its version there (ETag or date), on a line each."""
        return self.path.with_name(f"{self.path.name}.part.from")

    def run(self) -> None:
        """Download the file, resuming from its part.

        Raises:
            _UnavailableError: the address does not provide it.
            OSError: it cannot be written.
        """
        if self.part.is_symlink():
            self._discard()
        resumed = _size(self.part) > 0
        self._complete()
        found = sha256_of(self.part, follow_links=False)
        if resumed and not matches_registry(self.network, found):
            # The part may be of another version or address: start again from the first byte.
            self._discard()
            self._complete()
            found = sha256_of(self.part, follow_links=False)
        if not matches_registry(self.network, found):
            self._discard()
            raise _UnavailableError(f"not the right file, its SHA-256 begins with {found[:8]}")
        os.replace(self.part, self.path)
        self.origin.unlink(missing_ok=True)
        write_pin(self.network, self.path, found)

    def _complete(self) -> None:
        """Receive the missing bytes, with retries."""
        for retries in range(MAX_RETRIES + 1):
            before = _size(self.part)
            try:
                self._connect()
                return
            except _CutError as error:
                # Without progress a retry is pointless.
                if _size(self.part) <= before or retries == MAX_RETRIES:
                    raise _UnavailableError(str(error)) from error
            time.sleep(PAUSE_SECONDS)

    def _connect(self) -> None:
        """Receive over one connection, from the end of the part to the end of the file."""
        import requests

        done = _size(self.part)
        try:
            with (
                _session(self.address) as session,
                session.get(
                    self.address,
                    headers=self._headers(done),
                    stream=True,
                    timeout=(CONNECT_SECONDS, READ_SECONDS),
                ) as response,
            ):
                if done and response.status_code == 416:  # complete, or of another version
                    return
                if response.status_code not in (200, 206):
                    raise _UnavailableError(f"it answers {response.status_code}")
                if response.status_code == 200 or _first_byte(response) == done:
                    self._receive(response, done if response.status_code == 206 else 0)
                    return
                if not done:
                    raise _UnavailableError("it gives a part that was not asked for")
                self._discard()
        except requests.ConnectTimeout as error:
            raise _UnavailableError(f"no answer in {CONNECT_SECONDS:g} s") from error
        except requests.RequestException as error:
            raise _classify(error, done < _size(self.part)) from error
        self._connect()  # from the first byte, as the server sent another range than requested

    def _headers(self, done: int) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity"}  # the file's own bytes, not compressed
        if done:
            headers["Range"] = f"bytes={done}-"
            with suppress(OSError, ValueError):
                address, version = self.origin.read_text(encoding="utf-8").splitlines()
                if address == self.address:
                    headers["If-Range"] = version
        return headers

    def _receive(self, response: Response, done: int) -> None:
        """Append the response to the first `done` bytes of the part."""
        length = response.headers.get("Content-Length", "")
        total = done + int(length) if length.isdecimal() else None
        if not done:
            self._discard()
            version = response.headers.get("ETag") or response.headers.get("Last-Modified")
            # A weak ETag may stand for different bytes.
            if version and not version.startswith("W/"):
                with open_regular(self.origin, "wb", follow_links=False) as handle:
                    handle.write(f"{self.address}\n{version}\n".encode())
        if total is not None and total > self.limit:
            raise self._too_large()
        with open_regular(self.part, "ab" if done else "wb", follow_links=False) as handle:
            self.progress(done, total)
            for block in response.iter_content(BLOCK):
                if done + len(block) > self.limit:
                    raise self._too_large()
                handle.write(block)
                done += len(block)
                self.progress(done, total)
            handle.flush()
            os.fsync(handle.fileno())
        if total is not None and done < total:
            raise _CutError(f"it ended after {done} of {total} bytes")

    def _too_large(self) -> _UnavailableError:
        self._discard()
        return _UnavailableError(f"not the right file, it has more than {self.limit} bytes")

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.origin.unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def _session(address: str) -> Session:
    """A session that follows redirects of an https address to https only."""
    import requests
    from requests.adapters import HTTPAdapter

    class NoPlainHTTP(HTTPAdapter):
        def send(self, request: PreparedRequest, *_: Any, **__: Any) -> Response:
            raise _UnavailableError("it redirects to plain http")

    session = requests.Session()
    if address.startswith("https:"):
        session.mount("http://", NoPlainHTTP())
    return session


def _first_byte(response: Response) -> int | None:
    """Position of a partial response's first byte, by its header."""
    told = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(told[1]) if told else None


def _classify(error: Exception, progressed: bool) -> _UnavailableError | _CutError:
    """Our error for one of requests': no connection, a time-out, or a connection that broke off."""
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
