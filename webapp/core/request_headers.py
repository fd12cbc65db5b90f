"""What a request's headers say, read with care."""

from __future__ import annotations

from rest_framework.request import Request

MINIMAL = "return=minimal"
"""RFC 7240: the answer may leave out what the client can do without."""


WAIT = "wait"
"""RFC 7240, with a number of seconds: the answer may come later when it then says more."""


def body_bytes(request: Request) -> int:
    """How long the body is, as sent.

    A body that came in chunks has no declared length, and Django REST framework would take it for none at all, so its length
    is written down here once it is known.
    """
    declared = str(request.META.get("CONTENT_LENGTH") or "")
    if declared.isdecimal():
        return int(declared)
    num_bytes = len(request.body)
    request.META["CONTENT_LENGTH"] = str(num_bytes)
    return num_bytes


def prefers(request: Request, preference: str) -> bool:
    """Whether `Prefer` asks for it (RFC 7240)."""
    return preference in _preferences(request)


def prefers_to_wait(request: Request) -> bool:
    """Whether `Prefer: wait=<seconds>` asks for an answer that comes when what was written is in effect."""
    return any(
        name == WAIT and seconds.isdecimal()
        for name, _, seconds in (one.partition("=") for one in _preferences(request))
    )


def _preferences(request: Request) -> list[str]:
    asked = request.headers.get("Prefer", "").lower().split(",")
    return [one.partition(";")[0].strip().replace(" ", "") for one in asked]
