"""Messages between a child process and the server, on the child's side; see `child`."""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from typing import Any


class Pipe:
    """Messages from the server, and to it.

    Prints go to the standard error instead, so that a line of some library is taken for no message.
    When the server ends, in any way, the input ends.
    """

    def __init__(self) -> None:
        self.out = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.lock = threading.Lock()
        self.messages: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.closed = False
        """Whether the server has gone."""
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, **message: Any) -> None:
        """Send a message; it is lost where the server has ended."""
        data = json.dumps(message).encode() + b"\n"
        with self.lock, suppress(BrokenPipeError):
            self.out.write(data)
            self.out.flush()

    def receive(self) -> dict[str, Any] | None:
        """Wait for the next message; None when the server has ended."""
        return None if self.closed else self._taken(self.messages.get())

    def poll(self) -> dict[str, Any] | None:
        """The next message if one has come; otherwise None."""
        try:
            return self._taken(self.messages.get_nowait())
        except queue.Empty:
            return None

    def _taken(self, message: dict[str, Any] | None) -> dict[str, Any] | None:
        self.closed = self.closed or message is None
        return message

    def _read(self) -> None:
        for line in sys.stdin.buffer:
            self.messages.put(json.loads(line))
        self.messages.put(None)
