"""A child process of the server, with one JSON message a line in both directions.

It is a new interpreter: torch cannot be loaded safely into a fork of a server with threads and
connections.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

LONGEST_LINE = 1 << 24
"""Largest message in bytes."""


class Child:
    """A child process, started when it is first needed.

    Args:
        module: module that it runs.
        arguments: of its command line.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self.module, self.arguments = module, arguments
        self.process: asyncio.subprocess.Process | None = None

    @property
    def runs(self) -> bool:
        """Whether there is a process."""
        return self.process is not None and self.process.returncode is None

    async def start(self) -> None:
        """Start the process where there is none."""
        if self.runs:
            return
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self.module,
            *self.arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
            start_new_session=True,  # Ctrl-C in the terminal is for the server to pass on
            env={**os.environ, "PYTHONSAFEPATH": "1"},  # nothing is imported from where one stands
        )

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; it is dropped where the process has ended."""
        assert self.process is not None
        assert self.process.stdin is not None
        with suppress(ConnectionError):
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            await self.process.stdin.drain()

    async def receive(self) -> dict[str, Any] | None:
        """The next message; None when the process has ended."""
        assert self.process is not None
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if line.endswith(b"\n"):
            message: dict[str, Any] = json.loads(line)
            return message
        await self.process.wait()
        return None

    def kill(self) -> None:
        """End the process at once."""
        if self.process is not None and self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.kill()

    async def close(self, seconds: float) -> None:
        """Let the process end by itself; kill it after so many seconds."""
        if self.process is None:
            return
        assert self.process.stdin is not None
        self.process.stdin.close()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.process.wait(), seconds)
        self.kill()
        await self.process.wait()

    def fate(self) -> str:
        """Exit code or signal of the process, in words."""
        code = None if self.process is None else self.process.returncode
        if code is None or code >= 0:
            return f"with exit code {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = str(-code)
        return f"by {name}" + (", as where memory runs out" if -code == signal.SIGKILL else "")
