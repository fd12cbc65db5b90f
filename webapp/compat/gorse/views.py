"""What every call of Gorse's shares: a key in `X-API-Key`, and errors as plain text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from webapp.core.api import ApiView
from webapp.core.errors import AppError, Invalid

MAX_N = 500
DEFAULT_N = 10


class NotSupported(AppError):
    """A call of Gorse's that has no meaning here."""

    code = "not_supported"
    status = 501


@extend_schema(exclude=True)
class GorseView(ApiView):
    """`X-Request-ID` and text bodies of errors are as Gorse answers them; the text is our message, with every broken rule."""

    why_not: ClassVar[str] = ""

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        ours = super().get_exception_handler()

        def handler(error: Exception, context: dict[str, Any]) -> Any:
            answer = ours(error, context)
            if answer is None:
                return None
            headers = {name: value for name, value in answer.headers.items() if name.lower() == "retry-after"}
            text = _text(answer.data)
            return HttpResponse(
                text, status=answer.status_code, content_type="text/plain; charset=utf-8", headers=headers
            )

        return handler


@extend_schema(exclude=True)
class UnsupportedView(GorseView):
    """Answers that, and why."""

    scopes = {}
    authentication_classes = []
    permission_classes = []

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotSupported(self.why_not)


def whole_number(query: Mapping[str, str], name: str, default: int, *, most: int) -> int:
    """A query parameter. Raises `Invalid`."""
    text = query.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or int(text) > most:
        raise Invalid.field(name, f"must be a whole number from 0 to {most}", repr(text[:80]))
    return int(text)


def _text(body: Any) -> str:
    """A message, and each problem on a line of its own."""
    problems = body.get("extra", {}).get("problems", [])
    lines = [f"{one.get('field')}: {one.get('rule')} (received {one.get('received')})" for one in problems[:20]]
    return "\n".join([str(body.get("message")), *lines])
