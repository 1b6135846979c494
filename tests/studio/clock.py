"""An event loop whose clock jumps to the next timer: no test of an interval waits for it."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class _Selector(selectors.SelectSelector):
    """Where nothing happens within the time that the loop would wait, it has passed."""

    def __init__(self) -> None:
        super().__init__()
        self.skipped = 0.0

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(timeout and 0)
        if not found:
            self.skipped += timeout or 0.0
        return found


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.selector = _Selector()
        super().__init__(self.selector)

    def time(self) -> float:
        return super().time() + self.selector.skipped


def run_without_waiting(coroutine: Coroutine[Any, Any, None]) -> None:
    """`asyncio.run` for what waits for timers alone, for no thread and no process."""
    loop = _Loop()
    try:
        loop.run_until_complete(_with_tasks_cancelled(coroutine))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


async def _with_tasks_cancelled(coroutine: Coroutine[Any, Any, None]) -> None:
    try:
        await coroutine
    finally:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
