"""The server: one for each folder, on its own socket, until a signal ends it."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import uvicorn
from filelock import FileLock, Timeout

from vangram.errors import SettingError
from vangram.storage.files import replacing
from vangram.studio.access import Access, is_loopback
from vangram.studio.app import guarded
from vangram.studio.folder import Folder
from vangram.studio.studio import Studio

SECONDS_TO_ANSWER = 2
"""Time for open requests when the server ends; event streams end at once."""
EVERYWHERE = ("0.0.0.0", "::")


def serve(
    root: Path,
    address: str,
    port: int,
    ready: Callable[[list[str], bool], object],
    upload_bytes: int = Access.upload_bytes,
) -> None:
    """Serve a folder until SIGINT or SIGTERM.

    Args:
        root: the output folder; made where it is missing.
        address: to listen on.
        port: 0: any that is free.
        ready: called with the addresses to open, the first one on this machine, and whether the
            server is this one; otherwise another one serves the folder already.
        upload_bytes: largest upload.

    Raises:
        OutputError: the folder cannot be used.
        SettingError: the address or the port cannot be used.
    """
    folder = Folder(root)
    lock = FileLock(folder.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        ready([folder.address.read_text(encoding="utf-8").strip()], False)
        return
    with lock, listening(address, port) as bound:
        port = bound.getsockname()[1]
        token = None if is_loopback(address) else token_of(folder)
        access = Access(address, token, port, upload_bytes)
        addresses = [f"{url}/?token={token}" if token else url for url in urls(address, port)]
        with replacing(folder.address) as handle:
            handle.write(addresses[0].encode())
        folder.address.chmod(0o600)
        studio = Studio(root, access)
        config = uvicorn.Config(
            guarded(studio),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_graceful_shutdown=SECONDS_TO_ANSWER,
        )
        # uvicorn tells of each answer that was not ready in time when the server ends
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        server = _Server(config, studio, lambda: ready(addresses, True))
        # uvicorn ends in good order at either signal, and then raises it again.
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            with suppress(KeyboardInterrupt):
                server.run(sockets=[bound])
        finally:
            signal.signal(signal.SIGTERM, before)
            with suppress(OSError):
                folder.address.unlink()


class _Server(uvicorn.Server):
    """Uvicorn server that reports when it is ready, and ends the endless event streams first."""

    def __init__(self, config: uvicorn.Config, studio: Studio, ready: Callable[[], object]) -> None:
        super().__init__(config)
        self.studio, self.ready = studio, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.studio.queue.hub.close()
        await super().shutdown(sockets)


def listening(address: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        SettingError: the address is none of this machine's, or the port is in use.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise SettingError(
            f"{address} port {port} cannot be listened on ({error.strerror}); "
            "choose another with --port or --listen"
        ) from None
    return bound


def token_of(folder: Folder) -> str:
    """The folder's token; it never changes, so a phone that has it keeps its access.

    Raises:
        OutputError: it cannot be written.
    """
    with suppress(OSError):
        token = folder.token.read_text(encoding="ascii").strip()
        if len(token) >= 32:
            return token
    token = secrets.token_urlsafe(32)
    folder.token.touch(mode=0o600)
    with replacing(folder.token) as handle:
        os.chmod(handle.fileno(), 0o600)
        handle.write(token.encode())
    return token


def urls(address: str, port: int) -> list[str]:
    """URLs of the server, this machine's own address first."""
    if address not in EVERYWHERE:
        return [f"http://{_in_url(address)}:{port}"]
    found = ["http://127.0.0.1" if address == EVERYWHERE[0] else "http://[::1]"]
    for addresses in psutil.net_if_addrs().values():
        for each in addresses:
            if each.family == socket.AF_INET and not is_loopback(each.address):
                found.append(f"http://{each.address}")
    return [f"{url}:{port}" for url in found]


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address
