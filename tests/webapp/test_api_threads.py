"""The API under ASGI: whole requests on threads that stay, and nothing else there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import pytest
from django.db import connections

from webapp.accounts.models import Project
from webapp.accounts.services import api_key_create
from webapp.core.api_threads import ApiThreads
from webapp.core.body_limit import Application, BodyLimit
from webapp.core.kept_connections.base import keep_connections

seen_on: list[str] = []


class Witness:
    """Notes on which thread a request's middleware runs."""

    def __init__(self, get_response: Any) -> None:
        self._get_response = get_response

    def __call__(self, request: Any) -> Any:
        seen_on.append(threading.current_thread().name)
        return self._get_response(request)


async def _others(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


def ask(
    application: Application, path: str, body: bytes = b"", method: str = "GET", **headers: str
) -> tuple[int, bytes]:
    return asyncio.run(_ask(application, path, body, method, headers))


async def _ask(
    application: Application, path: str, body: bytes, method: str, headers: Mapping[str, str]
) -> tuple[int, bytes]:
    given = {"host": "localhost", "content-type": "application/json", "content-length": str(len(body)), **headers}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()],
    }
    sent: list[Mapping[str, Any]] = []
    pieces = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Mapping[str, Any]:
        return pieces.pop() if pieces else {"type": "http.disconnect"}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    await application(scope, receive, send)
    return int(sent[0]["status"]), b"".join(message.get("body", b"") for message in sent[1:])


@pytest.fixture
def application(settings: Any) -> Iterator[ApiThreads]:
    seen_on.clear()
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.Witness"]
    keep_connections()
    threads = ApiThreads(_others, "/api/", num_threads=2)
    yield threads
    threads._threads.submit(connections.close_all).result()
    threads._threads.shutdown()
    keep_connections(False)


def test_it_answers_the_api_on_a_thread_of_its_own(application: ApiThreads) -> None:
    status, body = ask(application, "/api/v1/no-such-address")
    assert (status, orjson.loads(body)["code"]) == (404, "not_found")
    assert [name.startswith("api") for name in seen_on] == [True]


def test_it_leaves_everything_else_to_the_application(application: ApiThreads) -> None:
    for path in ("/", "/apis", "/p/shop/items"):
        assert ask(application, path) == (299, path.encode())
    assert seen_on == []


@pytest.mark.django_db(transaction=True)
def test_it_takes_events(application: ApiThreads, project: Project) -> None:
    _, secret = api_key_create(project=project, name="k", scopes=["ingest"])
    row = {"event_id": "e1", "type": "click", "user_id": "u", "item_id": "tea"}
    for expected in ("accepted", "repeated"):
        status, body = ask(application, "/api/v1/events", orjson.dumps([row]), "POST", x_api_key=secret)
        assert (status, orjson.loads(body)["results"][0]["status"]) == (200, expected)


@pytest.mark.django_db(transaction=True)
def test_it_answers_every_one_of_many_at_once(application: ApiThreads, project: Project) -> None:
    _, secret = api_key_create(project=project, name="k", scopes=["recommend"])

    async def many() -> list[tuple[int, bytes]]:
        return await asyncio.gather(
            *(_ask(application, "/api/v1/schema", b"", "GET", {"x-api-key": secret}) for _ in range(20))
        )

    assert {status for status, _ in asyncio.run(many())} == {200}
    assert len(set(seen_on)) <= 2


def test_it_stops_at_a_body_that_is_too_long(application: ApiThreads) -> None:
    status, body = ask(BodyLimit(application, 10), "/api/v1/events", b"x" * 11, "POST", content_length="5")
    assert (status, orjson.loads(body)["code"]) == (413, "too_large")
    assert seen_on == []
