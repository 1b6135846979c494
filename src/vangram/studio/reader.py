"""The server's side of the reader, a process that reads pictures and plans runs."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from vangram.studio.child import Child
from vangram.studio.refusals import Refused

SECONDS = 300.0
"""Time limit of an answer."""
NOW, SOON, LATER = 0, 1, 2
"""Urgency of a request: a client waits for it, an estimate, background work."""


@dataclass(order=True)
class _Question:
    urgency: int
    number: int
    message: dict[str, Any] = field(compare=False)
    answer: asyncio.Future[dict[str, Any]] = field(compare=False)


class Reader:
    """Sends the process one request at a time; so a crash is the failure of one request."""

    def __init__(self) -> None:
        self.child = Child("vangram.studio.reader_process")
        self.questions: asyncio.PriorityQueue[_Question] = asyncio.PriorityQueue()
        self.numbers = itertools.count()
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the process and load its modules."""
        if self.task is None:
            self.task = asyncio.get_running_loop().create_task(self._serve())

    async def ask(self, what: str, *, urgency: int = NOW, **arguments: Any) -> dict[str, Any]:
        """Send a request to the process.

        Raises:
            Refused: something given cannot be used; the line is the command line's own.
        """
        self.start()
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        message = {"what": what, **arguments}
        self.questions.put_nowait(_Question(urgency, next(self.numbers), message, answer))
        return await answer

    async def close(self) -> None:
        """End the process."""
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task
        self.child.kill()
        await self.child.close(1.0)

    async def _serve(self) -> None:
        await self.child.start()
        while True:
            question = await self.questions.get()
            if question.answer.cancelled():  # who asked has gone
                continue
            reply = await self._reply(question.message)
            if question.answer.done():
                continue
            if "refused" in reply:
                question.answer.set_exception(Refused(**reply["refused"]))
            else:
                question.answer.set_result(reply)

    async def _reply(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            await self.child.start()
            await self.child.send(message)
            reply = await asyncio.wait_for(self.child.receive(), SECONDS)
        except (asyncio.TimeoutError, OSError):
            self.child.kill()
            reply = await self.child.receive()
        if reply is not None:
            return reply
        said = f"this could not be read: the reader ended {self.child.fate()}; try a smaller file"
        return {"refused": {"status": 500, "message": said}}
