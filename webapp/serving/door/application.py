"""The door: `POST /api/v1/recommend`, `/rank` and `/similar` answered on the event loop, in front of Django.

A request through Django and its REST framework costs a thread and 1.5 ms of processor time before anything is asked; here it
costs neither. Keys, scopes, rates, limits, errors and headers are the same, by the same code.
"""

from __future__ import annotations

import functools
import time
from typing import Any

from engine.serving.requests import Ask
from webapp.catalog.impressions import impressions_flush
from webapp.core.body_limit import Application
from webapp.core.clock import wall_ms
from webapp.serving.asked import Asked
from webapp.serving.door import http
from webapp.serving.door.callers import Callers
from webapp.serving.door.filling import Filling
from webapp.serving.door.measures import note_call
from webapp.serving.door.serving_loop import adopt_loop, close_replicas
from webapp.serving.recommending import answer_async
from webapp.serving.requests_reading import BODIES, read_call

PREFIX = "/api/v1/"
FLUSH_S = 3.0


class Door:
    """An ASGI application. What is none of its calls goes to `application`; lifespan messages are its own."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._calls = {f"{PREFIX}{ask.value}": ask for ask in BODIES}
        self._headers = http.lasting_headers()
        self._filling = Filling()
        self._callers = Callers(self._filling)

    async def __call__(self, scope: Any, receive: http.Receive, send: http.Send) -> None:
        if scope["type"] == "http":
            ask = self._calls.get(scope["path"]) if scope["method"] == "POST" else None
            if ask is None:
                await self._application(scope, receive, send)
            else:
                await self._call(ask, scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._application(scope, receive, send)

    async def _call(self, ask: Ask, scope: Any, receive: http.Receive, send: http.Send) -> None:
        started_s = time.perf_counter()
        headers = dict(scope["headers"])
        answer: dict[str, Any] = {}
        project = ""
        more: http.Headers = []
        try:
            http.check_host(headers)
            body = await http.whole_body(receive)
            if body is None:
                return
            client = scope.get("client")
            key = await self._callers.key(headers, str(client[0]) if client else "")
            project = key.project.slug
            reading = functools.partial(_read, ask, headers, body)
            asked = reading() if http.is_quick(headers, body) else await self._filling.on_thread(reading)
            answer = await answer_async(key.project, asked, adopt_loop(), self._filling)
            status, content = 200, http.encoded(answer)
        except Exception as error:
            status, content, more = http.refusal(error)
        start = [
            *self._headers,
            (b"content-length", str(len(content)).encode()),
            (b"x-request-id", http.request_id(headers)),
            *more,
        ]
        await send({"type": "http.response.start", "status": status, "headers": start})
        await send({"type": "http.response.body", "body": content})
        note_call(ask, status, answer, time.perf_counter() - started_s, project)

    async def _live(self, receive: http.Receive, send: http.Send) -> None:
        """The server starts and stops; when it stops, what was served is logged first."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                adopt_loop()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._filling.on_thread(lambda: impressions_flush(FLUSH_S))
                await close_replicas()
                await self._filling.settled()
                self._filling.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _read(ask: Ask, headers: dict[bytes, bytes], body: bytes) -> Asked:
    return read_call(ask, http.document(headers, body), wall_ms())
