"""Events: who listens gets what is new, each at its own pace, for no memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.studio.clock import run_without_waiting
from vangram.studio.events import MOST_EVENTS, SECONDS_OF_SILENCE, Hub, encoded


def run(story: Callable[[Hub], Awaitable[None]]) -> None:
    async def told() -> None:
        await story(Hub(lambda: {"jobs": []}))

    run_without_waiting(told())


def parsed(data: bytes) -> list[tuple[str, Any]]:
    found = []
    for event in data.decode().split("\n\n")[:-1]:
        kind, text = event.split("\n")
        found.append((kind.removeprefix("event: "), json.loads(text.removeprefix("data: "))))
    return found


async def news(stream: Any) -> list[tuple[str, Any]]:
    return parsed(await anext(stream))


def test_first_event_is_everything_and_later_ones_what_is_new() -> None:
    async def story(hub: Hub) -> None:
        hub.publish("job", "a", {"state": "old"})
        stream = hub.stream()
        assert await news(stream) == [("hello", {"jobs": []})]
        hub.publish("job", "a", {"state": "new"})
        assert await news(stream) == [("job", {"state": "new"})]

    run(story)


def test_waiting_client_is_woken() -> None:
    async def story(hub: Hub) -> None:
        stream = hub.stream()
        await news(stream)
        waiting = asyncio.ensure_future(news(stream))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        hub.publish("job", "a", {"n": 1})
        assert await waiting == [("job", {"n": 1})]

    run(story)


def test_slow_client_gets_the_latest_of_each_thing_in_the_order_of_their_changes() -> None:
    async def story(hub: Hub) -> None:
        stream = hub.stream()
        await news(stream)
        for number in range(1000):
            hub.publish("progress", "a", {"n": number})
        hub.publish("job", "b", {"n": -1})
        hub.publish("job", "a", {"n": -2})
        hub.publish("job", "b", {"n": -3})
        assert await news(stream) == [
            ("progress", {"n": 999}),
            ("job", {"n": -2}),
            ("job", {"n": -3}),
        ]
        assert len(hub.latest) == 3

    run(story)


def test_clients_do_not_disturb_each_other() -> None:
    async def story(hub: Hub) -> None:
        streams = [hub.stream() for _ in range(100)]
        for stream in streams:
            await news(stream)
        assert hub.clients == 100
        hub.publish("job", "a", {"n": 1})
        for stream in streams[:50]:
            assert await news(stream) == [("job", {"n": 1})]
            await stream.aclose()
        hub.publish("job", "a", {"n": 2})
        for stream in streams[50:]:
            assert await news(stream) == [("job", {"n": 2})]
        assert hub.clients == 50

    run(story)


def test_client_that_has_missed_what_was_dropped_is_told_everything_anew() -> None:
    async def story(hub: Hub) -> None:
        stream = hub.stream()
        await news(stream)
        for number in range(MOST_EVENTS + 1):
            hub.publish("removed", str(number), {"id": number})
        assert len(hub.latest) == MOST_EVENTS
        assert await news(stream) == [("hello", {"jobs": []})]
        hub.publish("removed", "last", {"id": -1})
        assert await news(stream) == [("removed", {"id": -1})]

    run(story)


def test_silence_is_broken_by_a_comment() -> None:
    async def story(hub: Hub) -> None:
        stream = hub.stream()
        await news(stream)
        began = asyncio.get_running_loop().time()
        assert await anext(stream) == b":\n\n"
        assert asyncio.get_running_loop().time() - began >= SECONDS_OF_SILENCE

    run(story)


def test_streams_end_with_the_server() -> None:
    async def story(hub: Hub) -> None:
        stream = hub.stream()
        await news(stream)
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.01)
        hub.close()
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(waiting, 10)

    run(story)


def test_text_with_line_ends_stays_one_event() -> None:
    (event,) = parsed(encoded("job", {"note": "a\n\nevent: b\r\n"}))
    assert event == ("job", {"note": "a\n\nevent: b\r\n"})
