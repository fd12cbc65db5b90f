"""The API under ASGI, on threads that stay.

Django's own handler gives each request a new thread and takes it from the event loop to the thread and back for the
middleware, the view and the response: half of the processor time of a small request. The API has no asynchronous view, so
here the whole of it, from the first middleware to the answer, is one call on a thread of a pool.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from webapp.core.body_limit import Application, Receive, Send

NUM_THREADS = 64
"""Twice what `POST /events` lets in at once (`INGEST_MAX_REQUESTS`), so that a flood of events leaves room for the rest."""


class ApiThreads(ASGIHandler):
    """An ASGI application: what is under `prefix` runs on the pool's threads, everything else goes to `application`."""

    def __init__(self, application: Application, prefix: str, *, num_threads: int = NUM_THREADS) -> None:
        BaseHandler.__init__(self)
        self.load_middleware(is_async=False)
        self._application = application
        self._prefix = prefix
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix="api")

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(self._prefix):
            await self._application(scope, receive, send)
            return
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        try:
            response = await asyncio.get_running_loop().run_in_executor(self._threads, self._answer, scope, body)
            await self.send_response(response, send)
        finally:
            body.close()

    def _answer(self, scope: Any, body: IO[bytes]) -> HttpResponseBase:
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=type(self), scope=scope)
        request, refusal = self.create_request(scope, body)
        response = self.get_response(request) if request is not None else refusal
        assert response is not None
        # an answer of the API is whole by now; closing it says that the request is over
        response.close()
        return response
