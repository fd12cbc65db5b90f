"""What services raise when they refuse, and the name under which Django REST framework finds the one error shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.errors import Problem

if TYPE_CHECKING:
    from rest_framework.response import Response


class AppError(Exception):
    """What a service refuses: a stable `code`, a `message` for a person, an HTTP `status`, and details in `extra`."""

    code = "error"
    status: int = 400

    def __init__(self, message: str, *, code: str | None = None, **extra: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.extra = extra


class Invalid(AppError):
    """Input that breaks a rule; `extra["problems"]` lists field, rule and what was received."""

    code = "invalid"

    @classmethod
    def field(cls, field: str, rule: str, received: str) -> Invalid:
        problem = Problem(field, rule, received)
        return cls(f"{field}: {rule} (received {received})", problems=[problem.as_dict()])


class Forbidden(AppError):
    code = "forbidden"
    status = 403


class NotFound(AppError):
    code = "not_found"
    status = 404


class Conflict(AppError):
    """The request is fine by itself, and does not fit what is so now."""

    code = "conflict"
    status = 409


class TooLarge(AppError):
    code = "too_large"
    status = 413


class Busy(AppError):
    """There is too much to do now. The answer says in `Retry-After` when to come back: `extra["retry_after_s"]`, whole seconds."""

    code = "busy"
    status = 429


class Unavailable(AppError):
    """A server that the request needs does not answer; the same request may succeed later."""

    code = "unavailable"
    status = 503


def api_exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """See `webapp.core.api_errors`. Imported late: the framework's views load our services while they load themselves."""
    from webapp.core.api_errors import answer

    return answer(error, context)
