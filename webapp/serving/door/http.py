"""What is HTTP about the door: hosts, headers, bodies in, answers and refusals out, as Django's middleware and the API's views do it."""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any

import orjson
from django.conf import settings
from django.http.request import split_domain_port, validate_host
from rest_framework.exceptions import ParseError, UnsupportedMediaType

from webapp.core import api_errors
from webapp.core.content_policy import POLICY
from webapp.core.encoded_body import read_body
from webapp.core.errors import AppError, TooLarge
from webapp.core.strict_json import BrokenJson, read_json

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

MAX_BYTES = 4 * 2**20
"""Room for 12,000 ids of 256 characters."""

QUICK_BYTES = 64 * 2**10
"""What is longer, or packed, is read on a thread: it would hold up every other request."""

_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_JSON_OPTIONS = orjson.OPT_UTC_Z


class WrongHost(AppError):
    """A host that this server does not serve."""

    code = "bad_request"


def lasting_headers() -> Headers:
    """What every answer of the API says, as the settings want it."""
    headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"allow", b"POST"),
        (b"content-security-policy", POLICY.encode()),
        (b"x-frame-options", settings.X_FRAME_OPTIONS.upper().encode()),
    ]
    if settings.SECURE_CONTENT_TYPE_NOSNIFF:
        headers.append((b"x-content-type-options", b"nosniff"))
    if settings.SECURE_REFERRER_POLICY:
        headers.append((b"referrer-policy", settings.SECURE_REFERRER_POLICY.encode()))
    if settings.SECURE_CROSS_ORIGIN_OPENER_POLICY:
        headers.append((b"cross-origin-opener-policy", settings.SECURE_CROSS_ORIGIN_OPENER_POLICY.encode()))
    return headers


def check_host(headers: Mapping[bytes, bytes]) -> None:
    """Raises `WrongHost`."""
    if not _is_ours(headers.get(b"host", b""), tuple(settings.ALLOWED_HOSTS)):
        raise WrongHost("The server does not take this request; is the host among those it serves?")


@lru_cache(maxsize=256)
def _is_ours(host: bytes, allowed: tuple[str, ...]) -> bool:
    domain, _ = split_domain_port(host.decode("latin-1"))
    return bool(domain) and validate_host(domain, allowed)


def request_id(headers: Mapping[bytes, bytes]) -> bytes:
    """The client's own, when it is one that can be repeated, else a new one."""
    given = headers.get(b"x-request-id", b"")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex.encode()


async def whole_body(receive: Receive) -> bytes | None:
    """None when the client went away. Raises `TooLarge`."""
    message = await receive()
    if message["type"] != "http.request":
        return None
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False) and len(body) <= MAX_BYTES:
        return body
    pieces, num_bytes = [body], len(body)
    while message.get("more_body", False):
        if num_bytes > MAX_BYTES:
            break
        message = await receive()
        if message["type"] != "http.request":
            return None
        pieces.append(message.get("body", b""))
        num_bytes += len(pieces[-1])
    if num_bytes > MAX_BYTES:
        raise TooLarge(f"The body is larger than {MAX_BYTES} bytes.", max_bytes=MAX_BYTES)
    return b"".join(pieces)


def is_quick(headers: Mapping[bytes, bytes], body: bytes) -> bool:
    """Whether the body may be read on the event loop."""
    return len(body) <= QUICK_BYTES and b"content-encoding" not in headers


def document(headers: Mapping[bytes, bytes], body: bytes) -> Any:
    """The decoded body. Raises `UnsupportedMediaType`, `ParseError`, `TooLarge`."""
    media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media_type != b"application/json":
        raise UnsupportedMediaType(headers.get(b"content-type", b"").decode("latin-1")[:80])
    encoding = headers.get(b"content-encoding", b"").decode("latin-1")
    if encoding:
        body = read_body(io.BytesIO(body), encoding, MAX_BYTES)
    try:
        return read_json(body)
    except BrokenJson as error:
        raise ParseError(f"The body is not JSON: {error}") from error


def encoded(answer: Any) -> bytes:
    return orjson.dumps(answer, option=_JSON_OPTIONS, default=str)


def refusal(error: Exception) -> tuple[int, bytes, Headers]:
    """Status, body and headers of the answer to a request that failed, as the API's views answer it."""
    response = api_errors.answer(error, {"view": "POST /recommend, /rank or /similar"})
    headers = [
        (name.lower().encode(), str(value).encode())
        for name, value in response.headers.items()
        if name.lower() != "content-type"
    ]
    return response.status_code, encoded(response.data), headers
