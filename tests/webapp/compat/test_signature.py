"""Signatures of requests, with botocore's own signer as the oracle."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from webapp.accounts.models import Project
from webapp.accounts.throttling import UnknownKeys
from webapp.compat.personalize import authentication
from webapp.compat.personalize.errors import BadSignature
from webapp.compat.personalize.signature import Received, Signed, check, read_header

SECRET = "a-secret-of-ours"
WRONG = "AWS4-HMAC-SHA256 Credential=FRESHET0123456789/20260101/r/s/aws4_request, SignedHeaders=host;x-amz-date, Signature=00"


def signed_by_botocore(url: str, body: bytes, headers: dict[str, str]) -> tuple[Received, Signed, datetime]:
    request = AWSRequest(method="POST", url=url, data=body, headers={"Host": urlsplit(url).netloc, **headers})
    SigV4Auth(Credentials("FRESHETAB12", SECRET), "personalize", "eu-west-1").add_auth(request)
    parts = urlsplit(url)
    found = {name.lower(): value for name, value in request.headers.items()}
    received = Received("POST", unquote(parts.path), parts.query, found, body)
    signed_at = datetime.strptime(found["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return received, read_header(found["authorization"]), signed_at


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("http://127.0.0.1:8000/personalize/recommendations", {}),
        (
            "http://127.0.0.1:8000/personalize/recommendations",
            {"Content-Type": "application/json", "X-Amz-Meta": "a   b "},
        ),
        ("http://freshet.example/personalize/a%20b/c~d_e", {}),
        ("http://freshet.example/personalize/items?b=2&a=1&a=0", {}),
    ],
)
def test_it_takes_what_botocore_signed(url: str, headers: dict[str, str]) -> None:
    received, signed, signed_at = signed_by_botocore(url, b'{"userId": "\xc3\xbc"}', headers)
    assert signed.access_key_id == "FRESHETAB12"
    check(received, signed, SECRET, signed_at + timedelta(minutes=4))


def test_it_refuses_what_was_changed_after_signing() -> None:
    received, signed, now = signed_by_botocore("http://h.example/personalize/events", b'{"a": 1}', {"X-Amz-Meta": "m"})
    check(received, signed, SECRET, now)
    changed = [
        replace(received, body=b'{"a": 2}'),
        replace(received, path="/personalize/items"),
        replace(received, method="PUT"),
        replace(received, query="a=1"),
        replace(received, headers={**received.headers, "host": "other.example"}),
        replace(received, headers={**received.headers, "x-amz-meta": "n"}),
    ]
    for other in changed:
        with pytest.raises(BadSignature, match="not that of the secret"):
            check(other, signed, SECRET, now)
    with pytest.raises(BadSignature):
        check(received, signed, "another-secret", now)
    with pytest.raises(BadSignature):
        check(received, replace(signed, scope=signed.scope.replace("eu-west-1", "us-east-1")), SECRET, now)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_it_refuses_a_request_of_another_time(minutes: int) -> None:
    received, signed, now = signed_by_botocore("http://h.example/personalize/events", b"{}", {})
    with pytest.raises(BadSignature, match="it is"):
        check(received, signed, SECRET, now + timedelta(minutes=minutes))


def test_it_refuses_a_signature_over_too_little() -> None:
    received, signed, now = signed_by_botocore("http://h.example/personalize/events", b"{}", {})
    with pytest.raises(BadSignature, match="host must be among"):
        check(received, replace(signed, headers=("x-amz-date",)), SECRET, now)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer fk_1_2",
        "AWS4-HMAC-SHA256 Credential=A/20260101/r/s/aws4_request, SignedHeaders=host",
        "AWS4-HMAC-SHA256 Credential=A/20260101/r/aws4_request, SignedHeaders=host, Signature=00",
    ],
)
def test_it_refuses_a_header_of_another_kind(header: str) -> None:
    with pytest.raises(BadSignature):
        read_header(header)


def test_it_asks_the_database_nothing_for_an_address_with_too_many_wrong_keys(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = UnknownKeys("3/minute", lambda: 1_000.25)
    monkeypatch.setattr(authentication, "unknown_keys", lambda: keys)
    client = Client(
        headers={"authorization": WRONG}, REMOTE_ADDR=f"fd00:{uuid.uuid4().hex[:4]}:{uuid.uuid4().hex[:4]}:1::7"
    )

    def ask() -> tuple[int, str]:
        answer = client.post("/personalize/recommendations", {}, content_type="application/json")
        return answer.status_code, answer.headers["x-amzn-ErrorType"]

    assert [ask() for _ in range(4)] == [*[(403, "UnrecognizedClientException")] * 3, (429, "ThrottlingException")]
    with CaptureQueriesContext(connection) as asked:
        assert ask() == (429, "ThrottlingException")
    assert asked.captured_queries == []
