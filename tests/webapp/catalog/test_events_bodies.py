"""POST /events: what a body may look like, how large it may be, and what the answer leaves out when asked."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
import zstandard
from django.core.handlers.asgi import ASGIHandler
from django.test import Client

from engine.spec.event import Event
from engine.streams import topics
from engine.streams.log import EventLog
from webapp.accounts.models import Project
from webapp.accounts.services import api_key_create
from webapp.catalog.models import RejectedRow
from webapp.core.encoded_body import MAX_GZIP_MEMBERS
from webapp.core.kept_connections.base import keep_connections
from webapp.registry.services import schema_publish

CLICKS = [{"event_id": f"e{number}", "type": "click", "user_id": "u", "item_id": "tea"} for number in range(3)]
LINES = b"\n".join(orjson.dumps(click) for click in CLICKS)
JSON, NDJSON = "application/json", "application/x-ndjson"


@pytest.fixture
def secret(project: Project) -> str:
    return api_key_create(project=project, name="k", scopes=["ingest"])[1]


def send(secret: str, body: bytes, content_type: str = JSON, **headers: str) -> Any:
    client = Client(headers={"x-api-key": secret, **{name.replace("_", "-"): text for name, text in headers.items()}})
    return client.post("/api/v1/events", body, content_type=content_type)


def event_ids(log: EventLog, project: Project) -> list[str]:
    return [Event.from_bytes(record.value).event_id for record in log.read(topics.events(project.slug), 0, 0)]


def test_it_takes_one_event_a_line(secret: str, project: Project, log: EventLog) -> None:
    answer = send(secret, b"\r\n" + LINES.replace(b"\n", b"\r\n\n") + b"\n", NDJSON)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 3)
    assert [row["index"] for row in answer.json()["results"]] == [0, 1, 2]
    assert event_ids(log, project) == ["e0", "e1", "e2"]


def test_it_refuses_a_line_that_is_not_json_and_takes_the_others(secret: str, project: Project) -> None:
    answer = send(secret, b'{"type": "cli\n' + LINES + b"\n\xff\n1], [2", NDJSON)
    results = answer.json()["results"]
    assert [row["status"] for row in results] == [
        "rejected",
        "accepted",
        "accepted",
        "accepted",
        "rejected",
        "rejected",
    ]
    [problem] = results[0]["problems"]
    assert problem["field"] == "(row)"
    assert problem["rule"].startswith("is not JSON: ")
    assert problem["received"] == '\'{"type": "cli\''
    assert [row.row for row in RejectedRow.objects.order_by("row_number")] == ['{"type": "cli', "\\xff", "1], [2"]


def test_it_answers_400_when_no_line_is_json_or_there_is_none(secret: str) -> None:
    answer = send(secret, b"hello\nworld", NDJSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "all_rejected")
    assert len(answer.json()["extra"]["results"]) == 2
    answer = send(secret, b"\n\n", NDJSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_it_refuses_more_lines_than_one_request_may_have(secret: str, settings: Any) -> None:
    settings.MAX_EVENTS_PER_REQUEST = 2
    answer = send(secret, LINES, NDJSON)
    assert answer.status_code == 413
    assert answer.json()["extra"] == {"max_rows": 2, "received": 3}


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(LINES, mtime=0)),
        ("GZIP", gzip.compress(LINES, mtime=0)),
        ("gzip", gzip.compress(LINES[:50], mtime=0) + gzip.compress(LINES[50:], mtime=0) + b"\x00\x00"),
        ("zstd", zstandard.ZstdCompressor().compress(LINES)),
        ("identity", LINES),
    ],
)
def test_it_unpacks_a_body(secret: str, encoding: str, packed: bytes) -> None:
    answer = send(secret, packed, NDJSON, content_encoding=encoding)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 3)


def test_it_unpacks_a_json_array_too(secret: str) -> None:
    answer = send(secret, gzip.compress(orjson.dumps(CLICKS)), JSON, content_encoding="gzip")
    assert answer.json()["accepted"] == 3


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_it_stops_unpacking_at_the_limit(secret: str, settings: Any, encoding: str) -> None:
    settings.MAX_BODY_BYTES = 100_000
    plain = b" " * 50_000_000
    packed = gzip.compress(plain) if encoding == "gzip" else zstandard.ZstdCompressor().compress(plain)
    assert len(packed) < settings.MAX_BODY_BYTES
    answer = send(secret, packed, content_encoding=encoding)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert answer.json()["message"] == "The body is larger than 100000 bytes, unpacked."
    assert answer.json()["extra"] == {"max_bytes": 100_000}


def test_it_takes_a_body_of_exactly_the_limit(secret: str, settings: Any) -> None:
    settings.MAX_BODY_BYTES = len(LINES)
    packed = gzip.compress(LINES, mtime=0)
    assert len(packed) <= len(LINES)
    assert send(secret, packed, NDJSON, content_encoding="gzip").status_code == 200


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", LINES),
        ("gzip", gzip.compress(LINES, mtime=0)[:-9]),
        ("gzip", gzip.compress(LINES, mtime=0)[:-1] + b"\x01"),
        ("gzip", gzip.compress(LINES, mtime=0) + b"more"),
        ("gzip", b"".join([gzip.compress(b"")] * (MAX_GZIP_MEMBERS + 1))),
        ("gzip", zlib.compress(LINES)),
        ("zstd", LINES),
        ("zstd", zstandard.ZstdCompressor().compress(LINES)[:-3]),
        ("zstd", zstandard.ZstdCompressor().compress(LINES) + b"more"),
    ],
)
def test_it_takes_nothing_of_a_body_that_is_not_what_its_encoding_says(
    secret: str, project: Project, log: EventLog, encoding: str, body: bytes
) -> None:
    answer = send(secret, body, NDJSON, content_encoding=encoding)
    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")
    assert event_ids(log, project) == []


@pytest.mark.parametrize(("content_type", "encoding"), [(JSON, "br"), (JSON, "gzip, gzip"), ("text/csv", "gzip")])
def test_it_says_which_forms_it_does_not_read(secret: str, content_type: str, encoding: str) -> None:
    answer = send(secret, LINES, content_type, content_encoding=encoding)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_it_leaves_out_the_rows_it_took_when_asked(secret: str) -> None:
    body = orjson.dumps([*CLICKS, CLICKS[0], {"type": "click"}])
    answer = send(secret, body, prefer="respond-async, return=minimal")
    assert answer.headers["Preference-Applied"] == "return=minimal"
    counts = answer.json()
    assert (counts["accepted"], counts["repeated"], counts["rejected"]) == (3, 1, 1)
    assert [(row["index"], row["status"]) for row in counts["results"]] == [(4, "rejected")]


def test_it_answers_each_row_when_nothing_or_something_else_is_preferred(secret: str) -> None:
    for prefer in ("", "return=representation", "return"):
        answer = send(secret, LINES, NDJSON, prefer=prefer)
        assert len(answer.json()["results"]) == 3
        assert "Preference-Applied" not in answer.headers


def test_it_says_which_version_of_the_schema_judged_the_rows(secret: str, project: Project) -> None:
    row = {"event_id": "f", "type": "click", "user_id": "u", "item_id": "tea", "properties": {"price": 1.5}}
    before = send(secret, orjson.dumps([*CLICKS, row])).json()
    schema_publish(project=project, document={"events": {"click": {"properties": {"price": {"type": "float"}}}}})
    after = send(secret, orjson.dumps([row])).json()
    assert (before["schema_version"], before["rejected"]) == (1, 1)
    assert (after["schema_version"], after["accepted"]) == (2, 1)


@pytest.mark.django_db(transaction=True)
def test_it_takes_a_body_that_comes_in_chunks_without_a_length(secret: str) -> None:
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/events",
        "query_string": b"",
        "headers": [
            (b"host", b"localhost"),
            (b"transfer-encoding", b"chunked"),
            (b"content-type", NDJSON.encode()),
            (b"x-api-key", secret.encode()),
        ],
    }

    pieces = [
        {"type": "http.request", "body": LINES[40:], "more_body": False},
        {"type": "http.request", "body": LINES[:40], "more_body": True},
    ]
    sent: list[Mapping[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return pieces.pop() if pieces else await asyncio.get_running_loop().create_future()

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    keep_connections()  # as the web process does; what the request used is closed with the rest below
    try:
        asyncio.run(ASGIHandler()(scope, receive, send))
    finally:
        keep_connections(False)
    assert (sent[0]["status"], orjson.loads(sent[1]["body"])["accepted"]) == (200, 3)
