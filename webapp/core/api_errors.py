"""Every exception of the API as {"code", "message", "extra"}."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from engine.errors import EngineError, InvalidDocument, LogError, Problem, ReplicaUnavailable
from webapp.core.errors import AppError, Busy, Unavailable

logger = logging.getLogger(__name__)

LOG_RETRY_AFTER_S = 2


def answer(error: Exception, context: dict[str, Any]) -> Response:
    """Every exception as {"code", "message", "extra"}; what nobody expected is logged and answered without its trace."""
    set_rollback()
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, InterfaceError | OperationalError):
        logger.warning("PostgreSQL does not answer: %s", error)
        error = Unavailable("The database does not answer; try again in a moment.", code="database_unavailable")
    if isinstance(error, AppError):
        headers = {"Retry-After": str(error.extra["retry_after_s"])} if isinstance(error, Busy) else None
        return _answer(error.status, error.code, error.message, error.extra, headers)
    if isinstance(error, EngineError):
        return _engine_answer(error)
    if isinstance(error, exceptions.APIException):
        return _framework_answer(error)
    logger.error("%s failed", context.get("view"), exc_info=error)
    return _answer(500, "internal", "The server failed at this request; its log says why.", {})


def _engine_answer(error: EngineError) -> Response:
    if isinstance(error, InvalidDocument):
        return _answer(400, error.code, error.message, error.extra)
    logger.warning("%s: %s", error.code, error.message)
    if isinstance(error, ReplicaUnavailable):
        return _answer(503, error.code, error.message, {})
    if isinstance(error, LogError):
        message = "The event log does not answer; send the request again, with the same event ids."
        return _answer(503, error.code, message, {}, {"Retry-After": str(LOG_RETRY_AFTER_S)})
    return _answer(500, error.code, "The server failed at this request; its log says why.", {})


def _framework_answer(error: exceptions.APIException) -> Response:
    headers: dict[str, str] = {}
    extra: dict[str, Any] = {}
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, exceptions.Throttled) and (wait_s := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(max(1, int(wait_s)))
    if isinstance(error, exceptions.ValidationError):
        extra["problems"] = [Problem(field, rule, "").as_dict() for field, rule in flattened(error.detail)]
        first = extra["problems"][0]
        return _answer(error.status_code, "invalid", f"{first['field']}: {first['rule']}", extra)
    codes = error.get_codes()
    code = codes if isinstance(codes, str) else "error"
    return _answer(error.status_code, code, str(error.detail), extra, headers)


def flattened(detail: Any, path: str = "") -> list[tuple[str, str]]:
    """Django REST framework's nested details as (dotted field, rule)."""
    if isinstance(detail, dict):
        found = []
        for name, inner in detail.items():
            here = path if name == "non_field_errors" else f"{path}.{name}".lstrip(".")
            found += flattened(inner, here)
        return found
    if isinstance(detail, list):
        return [problem for inner in detail for problem in flattened(inner, path)]
    return [(path or "(document)", str(detail))]


def _answer(
    status_code: int, code: str, message: str, extra: dict[str, Any], headers: dict[str, str] | None = None
) -> Response:
    return Response({"code": code, "message": message, "extra": extra}, status=status_code, headers=headers)
