"""The other end of `child`: messages of a process that works for the server."""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Mapping
from typing import Any


class Pipe:
    """Messages from the server and to it.

    The standard output becomes the standard error for everything else, since a line that some
    library prints is no message. The server's end, however it comes, ends the input.
    """

    def __init__(self) -> None:
        self.out = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.lock = threading.Lock()
        self.messages: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, **message: Any) -> None:
        """Send a message."""
        data = json.dumps(message).encode() + b"\n"
        with self.lock:
            self.out.write(data)
            self.out.flush()

    def receive(self) -> dict[str, Any] | None:
        """The next message, waited for; None when the server has gone."""
        return self.messages.get()

    def pending(self) -> Mapping[str, Any] | None | bool:
        """The next message that is there already; None when the server has gone, False for none."""
        try:
            return self.messages.get_nowait()
        except queue.Empty:
            return False

    def _read(self) -> None:
        for line in sys.stdin.buffer:
            self.messages.put(json.loads(line))
        self.messages.put(None)
