"""A server of one file on this machine, which can be told to misbehave, and counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Plan = Callable[["Answer"], None]
"""How one request is answered."""
ETAG = '"first"'


class FileServer(ThreadingHTTPServer):
    """Answers each request by the next plan, and by `serve` when there is none left."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.content = content
        self.etag = ETAG
        self.plans: list[Plan] = []
        self.asked: list[dict[str, str]] = []
        self.sent = 0
        self.closing = threading.Event()

    @property
    def address(self) -> str:
        """Of this server, without a path."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what is tested here."""


class Answer(BaseHTTPRequestHandler):
    """One request."""

    server: FileServer

    def do_GET(self) -> None:
        """Answer as planned."""
        self.server.asked.append(dict(self.headers))
        plan = self.server.plans.pop(0) if self.server.plans else serve
        plan(self)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def first(self) -> int:
        """Where the part begins that is asked for and may be given."""
        wanted = self.headers.get("Range", "bytes=0-")
        if self.headers.get("If-Range", self.server.etag) != self.server.etag:
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def head(self, first: int, told: int | None = None) -> None:
        """A status and headers, for the part from `first`; `told` is where it says it begins."""
        length = len(self.server.content)
        self.send_response(206 if first or told else 200)
        if first or told:
            begins = first if told is None else told
            self.send_header("Content-Range", f"bytes {begins}-{length - 1}/{length}")
        self.send_header("Content-Length", str(length - first))
        self.send_header("ETag", self.server.etag)
        self.end_headers()

    def body(self, first: int, last: int | None = None) -> None:
        """Bytes of the file."""
        part = self.server.content[first:last]
        self.server.sent += len(part)
        self.wfile.write(part)
        self.wfile.flush()


def serve(answer: Answer) -> None:
    """The whole, or the part that was asked for."""
    first = answer.first()
    if first >= len(answer.server.content):
        answer.send_error(416)
        return
    answer.head(first)
    answer.body(first)


def without_length(answer: Answer) -> None:
    """The whole file, of a length that is not told."""
    answer.send_response(200)
    answer.end_headers()
    for first in range(0, len(answer.server.content), 100_000):
        answer.body(first, first + 100_000)


def cut(after: int) -> Plan:
    """So many bytes of what was asked for, and then the connection breaks off."""

    def plan(answer: Answer) -> None:
        first = answer.first()
        answer.head(first)
        answer.body(first, first + after)

    return plan


def stall(after: int) -> Plan:
    """So many bytes, and then silence."""

    def plan(answer: Answer) -> None:
        first = answer.first()
        answer.head(first)
        answer.body(first, first + after)
        answer.server.closing.wait(10)

    return plan


def ignore_range(answer: Answer) -> None:
    """The whole file, whatever was asked for."""
    answer.head(0)
    answer.body(0)


def give_another_part(answer: Answer) -> None:
    """A part that begins elsewhere."""
    answer.head(7, told=7)
    answer.body(7)


def refuse(status: int) -> Plan:
    """An error."""
    return lambda answer: answer.send_error(status)


@contextmanager
def serving(content: bytes) -> Iterator[FileServer]:
    """A server, for as long as it is needed."""
    with FileServer(content) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
