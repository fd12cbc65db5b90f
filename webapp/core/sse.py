"""Server-sent events: an async iterator of (event name, data) as a response that a page's EventSource reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from time import monotonic
from typing import Any

import orjson
from django.http import StreamingHttpResponse

KEEP_ALIVE_S = 15.0
MAX_LIFE_S = 600.0


def sse_response(
    events: AsyncIterator[tuple[str, dict[str, Any]]],
    *,
    keep_alive_s: float = KEEP_ALIVE_S,
    max_life_s: float = MAX_LIFE_S,
    clock: Callable[[], float] = monotonic,
) -> StreamingHttpResponse:
    """Stream `events`; a comment travels after `keep_alive_s` of silence, so that proxies keep the connection open.

    The stream ends with `events`, when the page goes away, or after `max_life_s`; EventSource then connects again, which
    also renews the page's sign-in check.
    """
    return StreamingHttpResponse(
        _frames(events, keep_alive_s, max_life_s, clock),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


def frame(event: str, data: dict[str, Any]) -> bytes:
    """One event on the wire. JSON has no raw line breaks, so `data` is always one line.

    An update that can be resumed from says where in `after`; a browser that connects again sends it back as
    `Last-Event-ID` and gets only what it lacks.
    """
    place = f"id: {data['after']}\n" if "after" in data else ""
    return f"event: {event}\n{place}data: ".encode() + orjson.dumps(data) + b"\n\n"


async def _frames(
    events: AsyncIterator[tuple[str, dict[str, Any]]],
    keep_alive_s: float,
    max_life_s: float,
    clock: Callable[[], float],
) -> AsyncIterator[bytes]:
    ends_at = clock() + max_life_s
    upcoming: asyncio.Task[tuple[str, dict[str, Any]]] | None = None
    try:
        yield b"retry: 1000\n\n"
        while (left_s := ends_at - clock()) > 0:
            if upcoming is None:
                upcoming = asyncio.create_task(_next(events))
            # `wait` and not `wait_for`: silence must not cancel the iterator in the middle of its work.
            await asyncio.wait({upcoming}, timeout=min(keep_alive_s, left_s))
            if not upcoming.done():
                yield b": still here\n\n"
                continue
            try:
                event, data = upcoming.result()
            except StopAsyncIteration:
                return
            upcoming = None
            yield frame(event, data)
    finally:
        if upcoming is not None:
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)
        if isinstance(events, AsyncGenerator):
            await events.aclose()


async def _next(events: AsyncIterator[tuple[str, dict[str, Any]]]) -> tuple[str, dict[str, Any]]:
    return await anext(events)
