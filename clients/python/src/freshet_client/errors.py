"""What a call raises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class FreshetError(Exception):
    """Any failure of this client."""


class NotAnswered(FreshetError):
    """The server could not be reached, or did not answer in time, however often it was tried."""


class QueueFull(FreshetError):
    """Events come faster than the server takes them, and there is no more room to keep them."""


class ApiError(FreshetError):
    """The server said no: `status`, a stable `code`, a `message` for people and `extra` with details."""

    def __init__(self, status: int, code: str, message: str, extra: Mapping[str, Any]) -> None:
        super().__init__(f"{message} ({status} {code})")
        self.status = status
        self.code = code
        self.message = message
        self.extra = dict(extra)


class Invalid(ApiError):
    """400: `problems` says which field broke which rule, and what was received."""

    @property
    def problems(self) -> list[dict[str, str]]:
        """Each `{"field", "rule", "received"}`."""
        found: list[dict[str, str]] = self.extra.get("problems", [])
        return found


class Refused(ApiError):
    """401 or 403: the key is unknown, revoked, or may not do this."""


class NotFound(ApiError):
    """404: there is no such user, item, model or deployment."""


def api_error(status: int, body: object) -> ApiError:
    """The error of an answer's status and decoded body, whatever was in the way of the server's own words."""
    said: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
    extra = said.get("extra")
    of_status = {400: Invalid, 401: Refused, 403: Refused, 404: NotFound}
    kind = of_status.get(status, ApiError)
    code, message = said.get("code"), said.get("message")
    return kind(
        status,
        str(code or "error"),
        str(message or "the server gave no reason"),
        extra if isinstance(extra, Mapping) else {},
    )
