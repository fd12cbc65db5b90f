"""What holds for every answer: the content policy, the limit of a body, the error shape outside the views."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.test import AsyncClient, Client

from tests.webapp.client import Api
from webapp.core.body_limit import BodyLimit


@pytest.mark.parametrize("path", ["/sign-in", "/nowhere", "/api/v1/health", "/api/v1/docs/"])
def test_it_says_what_a_page_may_load(nobody: Api, path: str) -> None:
    policy = Client().get(path).headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_it_says_so_under_asgi_too(nobody: Api) -> None:
    answer = asyncio.run(AsyncClient().get("/static/css/base.css"))
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


def test_it_has_no_inline_script_or_style_on_the_reference_page(nobody: Api) -> None:
    page = nobody.get("/docs/").content.decode()
    assert page.count("<script") == page.count('<script src="') == 2
    assert "<style" not in page


def test_it_answers_another_host_in_the_api_s_shape_or_with_a_page() -> None:
    client = Client(headers={"host": "evil.example"})
    answer = client.get("/api/v1/items")
    assert (answer.status_code, set(answer.json())) == (400, {"code", "message", "extra"})
    page = client.get("/sign-in")
    assert page.status_code == 400
    assert b"Not understood" in page.content


def test_it_answers_a_form_with_too_many_fields_with_a_page(nobody: Api, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 3
    answer = Client(enforce_csrf_checks=False).post("/sign-in", {f"field{n}": "" for n in range(5)})
    assert answer.status_code == 400
    assert b"Not understood" in answer.content


@pytest.mark.parametrize(("method", "path"), [("post", "/docs/"), ("options", "/items"), ("options", "/docs/")])
def test_it_answers_405_in_the_api_s_shape(api: Api, method: str, path: str) -> None:
    answer = api.send(method, path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


MAX_BYTES = 10


async def read_all(scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    """An application that answers how many bytes it got, and nothing to a client that went away."""
    num_bytes = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        num_bytes += len(message["body"])
        if not message["more_body"]:
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(num_bytes).encode()})


def posted(chunks: list[bytes], *, declared: int | None, path: str) -> tuple[int, bytes, int]:
    """(status, body, how many chunks were taken) of a body sent in chunks."""
    sent: list[Any] = []
    coming = iter(enumerate(chunks, 1))
    num_taken = 0

    async def receive() -> dict[str, Any]:
        nonlocal num_taken
        num_taken, chunk = next(coming)
        return {"type": "http.request", "body": chunk, "more_body": num_taken < len(chunks)}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [] if declared is None else [(b"content-length", str(declared).encode())]
    asyncio.run(BodyLimit(read_all, MAX_BYTES)({"type": "http", "path": path, "headers": headers}, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    return sent[0]["status"], sent[1]["body"], num_taken


def test_it_takes_a_body_up_to_the_limit() -> None:
    assert posted([b"01234", b"56789"], declared=10, path="/") == (200, b"10", 2)
    assert posted([b"01234", b"56789"], declared=None, path="/") == (200, b"10", 2)


def test_it_refuses_a_declared_body_before_reading_any_of_it() -> None:
    status, body, num_taken = posted([b"x"], declared=11, path="/p/shop/data/upload")
    assert (status, num_taken) == (413, 0)
    assert b"load_events" in body


def test_it_refuses_an_undeclared_body_once_it_is_too_long() -> None:
    status, body, num_taken = posted([b"0123456789", b"0", b"more"], declared=None, path="/api/v1/events")
    assert (status, num_taken) == (413, 2)
    assert orjson.loads(body) == {
        "code": "too_large",
        "message": "The body is larger than 10 bytes.",
        "extra": {"max_bytes": 10},
    }
