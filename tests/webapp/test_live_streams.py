"""Server-sent events and answers remembered for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from webapp.core.remembered import Remembered
from webapp.core.sse import sse_response


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def collect(response: Any, limit: int = 100) -> list[bytes]:
    async def read() -> list[bytes]:
        found: list[bytes] = []
        async for part in response.streaming_content:
            found.append(part)
            if len(found) == limit:
                break
        return found

    return asyncio.run(read())


def test_it_sends_each_event_on_one_data_line() -> None:
    async def events() -> AsyncIterator[tuple[str, dict[str, Any]]]:
        yield "metrics", {"loss": 0.5, "note": "two\nlines"}

    response = sse_response(events())
    assert response.headers["Content-Type"] == "text/event-stream"
    assert collect(response) == [b"retry: 1000\n\n", b'event: metrics\ndata: {"loss":0.5,"note":"two\\nlines"}\n\n']


def test_it_keeps_a_silent_stream_open_without_losing_its_event() -> None:
    async def events() -> AsyncIterator[tuple[str, dict[str, Any]]]:
        await asyncio.sleep(0.05)
        yield "late", {}

    parts = collect(sse_response(events(), keep_alive_s=0.01))
    assert parts[1] == b": still here\n\n"
    assert parts[-1] == b"event: late\ndata: {}\n\n"


def test_it_ends_after_its_longest_life() -> None:
    clock, closed = Clock(), []

    async def events() -> AsyncIterator[tuple[str, dict[str, Any]]]:
        try:
            while True:
                clock.now += 4.0
                yield "tick", {}
        finally:
            closed.append(True)

    parts = collect(sse_response(events(), max_life_s=10.0, clock=clock))
    assert parts.count(b"event: tick\ndata: {}\n\n") == 3
    assert closed == [True]


def test_it_remembers_until_the_time_is_over() -> None:
    clock, made = Clock(), []

    def make() -> int:
        made.append(clock.now)
        return len(made)

    remembered: Remembered[str, int] = Remembered(2.0, clock=clock)
    assert [remembered.get("a", make), remembered.get("a", make)] == [1, 1]
    clock.now = 2.0
    assert remembered.get("a", make) == 2
    remembered.forget()
    assert remembered.get("a", make) == 3


def test_it_does_not_remember_what_was_read_before_it_was_told_to_forget() -> None:
    remembered: Remembered[str, str] = Remembered(60.0, clock=Clock())

    def read_while_another_writes() -> str:
        remembered.forget()
        return "old"

    assert remembered.get("a", read_while_another_writes) == "old"
    assert remembered.get("a", lambda: "new") == "new"


def test_it_remembers_no_failure_and_no_more_than_its_bound() -> None:
    remembered: Remembered[int, int] = Remembered(60.0, max_entries=2, clock=Clock())
    with pytest.raises(ZeroDivisionError):
        remembered.get(0, lambda: 1 // 0)
    for key in (1, 2, 3):
        remembered.get(key, lambda key=key: key)  # type: ignore[misc]
    assert remembered.get(1, lambda: 100) == 100
    assert remembered.get(3, lambda: 100) == 3
