"""Server-sent events: the latest state of each job, sent to every client.

Nothing is queued for a client. Each object has its latest event, encoded once for all clients; a
client is sent those that are newer than the last one it got. So a slow client costs neither memory
nor time, and misses only events that later ones have replaced.

The format is that of the HTML standard, section 9.2, and a screen of code; sse-starlette would add
a task and a queue for each client.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

SECONDS_BETWEEN = 0.2
"""Least time between two events to one client."""
SECONDS_A_CLIENT = 0.01
"""Time added to that interval for each client; with a hundred, an event comes each second."""
SECONDS_OF_SILENCE = 15.0
"""Time without events after which a comment shows that the connection is alive."""
MOST_EVENTS = 4000
"""Events kept; a client that has missed the oldest one is sent the whole state."""


@dataclass(frozen=True)
class Latest:
    """The latest event of one type about one object, such as a job."""

    revision: int
    data: bytes


class Hub:
    """Keeps the latest events and sends them to all clients.

    Args:
        hello: returns the whole state, for a client's first event.
    """

    def __init__(self, hello: Callable[[], dict[str, Any]]) -> None:
        self.hello = hello
        self.latest: dict[tuple[str, str], Latest] = {}
        """(type, id of the object) -> its latest event, in the order of their changes."""
        self.revision = 0
        self.forgotten = 0
        """Revision up to which events have been dropped."""
        self.clients = 0
        self.closed = False
        self.changed = asyncio.Event()

    def publish(self, event: str, id: str, data: dict[str, Any]) -> None:
        """Send an event; it replaces an earlier one of the same type and id."""
        self.revision += 1
        self.latest.pop((event, id), None)
        self.latest[event, id] = Latest(self.revision, encoded(event, data))
        if len(self.latest) > MOST_EVENTS:
            oldest = next(iter(self.latest))
            self.forgotten = self.latest.pop(oldest).revision
        self._wake()

    def forget(self, event: str, id: str) -> None:
        """Drop the latest event of an object that was removed."""
        self.latest.pop((event, id), None)

    def close(self) -> None:
        """End every stream."""
        self.closed = True
        self._wake()

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The events for one client, from now on."""
        self.clients += 1
        try:
            seen = -1
            while not self.closed:
                changed = self.changed
                if seen < self.forgotten:
                    seen = self.revision
                    yield encoded("hello", self.hello())
                elif seen < self.revision:
                    news = self._since(seen)
                    seen = self.revision
                    yield b"".join(news)
                else:
                    with suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(changed.wait(), SECONDS_OF_SILENCE)
                        continue
                    yield b":\n\n"
                    continue
                await asyncio.sleep(SECONDS_BETWEEN + SECONDS_A_CLIENT * self.clients)
        finally:
            self.clients -= 1

    def _since(self, seen: int) -> list[bytes]:
        news = []
        for latest in reversed(self.latest.values()):
            if latest.revision <= seen:
                break
            news.append(latest.data)
        return news[::-1]

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


def encoded(event: str, data: dict[str, Any]) -> bytes:
    """An event as it is sent."""
    return f"event: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
