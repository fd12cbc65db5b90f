"""The size of a request, bounded at the door: Django would first write a body of any length to disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]


class BodyLimit:
    """An ASGI application that answers 413 to a body of more than `max_bytes`, declared or counted while it arrives."""

    def __init__(self, application: Application, max_bytes: int) -> None:
        self._application = application
        self._max_bytes = max_bytes

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        if _declared_bytes(scope) > self._max_bytes:
            await self._refuse(scope, send)
            return
        num_bytes = 0

        async def counted() -> Message:
            nonlocal num_bytes
            message = await receive()
            num_bytes += len(message.get("body", b""))
            # to Django the client went away, so it lets go of what it has and answers nothing
            return message if num_bytes <= self._max_bytes else {"type": "http.disconnect"}

        await self._application(scope, counted, send)
        if num_bytes > self._max_bytes:
            await self._refuse(scope, send)

    async def _refuse(self, scope: Any, send: Send) -> None:
        message = f"The body is larger than {self._max_bytes} bytes."
        if scope["path"].startswith("/api/"):
            kind = b"application/json"
            body = orjson.dumps({"code": "too_large", "message": message, "extra": {"max_bytes": self._max_bytes}})
        else:
            kind, body = b"text/plain; charset=utf-8", f"{message} Larger files: manage.py load_events.".encode()
        headers = [
            (b"content-type", kind),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _declared_bytes(scope: Any) -> int:
    declared = dict(scope["headers"]).get(b"content-length", b"0")
    return int(declared) if declared.isdigit() else 0
