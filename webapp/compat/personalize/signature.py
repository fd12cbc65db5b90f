"""AWS Signature Version 4 of a request: read from its header, and computed again from what came.

As AWS documents it: the canonical request is method, path, query, signed headers, their names and the body's SHA-256; the string to sign
names the algorithm, the time, the scope and its hash; the signing key is made by HMAC of date, region, service and `aws4_request` in turn.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from webapp.compat.personalize.errors import BadSignature

ALGORITHM: Final = "AWS4-HMAC-SHA256"
MAX_SKEW: Final = timedelta(minutes=5)
MUST_BE_SIGNED: Final = frozenset(("host", "x-amz-date"))
_TIME_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_PART: Final = re.compile(r"(Credential|SignedHeaders|Signature)=([^,\s]+)")


@dataclass(frozen=True, slots=True)
class Signed:
    """What the Authorization header says. `scope` is date/region/service/aws4_request."""

    access_key_id: str
    scope: str
    headers: tuple[str, ...]
    signature: str


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came. `headers` by lower-case name; `query` as it stood in the address; `path` decoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


def read_header(authorization: str) -> Signed:
    """Raises `BadSignature` for a header that is not one of this algorithm."""
    algorithm, _, rest = authorization.strip().partition(" ")
    parts = dict(_PART.findall(rest))
    if algorithm != ALGORITHM or len(parts) != 3:
        raise BadSignature(f"Authorization must be {ALGORITHM} with Credential, SignedHeaders and Signature.")
    access_key_id, _, scope = parts["Credential"].partition("/")
    if scope.count("/") != 3 or not scope.endswith("/aws4_request"):
        raise BadSignature("Credential must be <access key id>/<date>/<region>/<service>/aws4_request.")
    headers = tuple(parts["SignedHeaders"].lower().split(";"))
    return Signed(access_key_id, scope, headers, parts["Signature"])


def check(received: Received, signed: Signed, secret: str, now: datetime) -> None:
    """Raises `BadSignature` unless the secret signed just this, at a time within `MAX_SKEW` of `now`."""
    if missing := MUST_BE_SIGNED - set(signed.headers):
        raise BadSignature(f"{', '.join(sorted(missing))} must be among the signed headers.")
    time = received.headers.get("x-amz-date", "")
    _check_time(time, signed, now)
    signature = hmac.new(_key(secret, signed.scope), _to_sign(received, signed, time), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signature.encode(), signed.signature.encode()):
        raise BadSignature("The request's signature is not that of the secret access key.")


def _check_time(time: str, signed: Signed, now: datetime) -> None:
    try:
        signed_at = datetime.strptime(time, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise BadSignature("X-Amz-Date must be a time such as 20260131T235959Z.") from None
    if abs(now - signed_at) > MAX_SKEW or not signed.scope.startswith(time[:8] + "/"):
        raise BadSignature(f"The request was signed at {time}; it is {now.strftime(_TIME_FORMAT)} here.")


def _to_sign(received: Received, signed: Signed, time: str) -> bytes:
    canonical = "\n".join(
        [
            received.method,
            quote(quote(received.path, safe="/-_.~"), safe="/-_.~"),
            "&".join(sorted(received.query.split("&"))) if received.query else "",
            *(f"{name}:{' '.join(received.headers.get(name, '').split())}" for name in signed.headers),
            "",
            ";".join(signed.headers),
            hashlib.sha256(received.body).hexdigest(),
        ]
    )
    return "\n".join([ALGORITHM, time, signed.scope, hashlib.sha256(canonical.encode()).hexdigest()]).encode()


def _key(secret: str, scope: str) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
