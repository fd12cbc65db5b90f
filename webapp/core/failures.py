"""What a request is answered that fails before or outside its view: the API's one error shape, or a page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults

API_PREFIX = "/api/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """For a host that is not ours, a form with too many fields, and the like."""
    if not request.path.startswith(API_PREFIX):
        return defaults.bad_request(request, exception)
    return _error(400, "bad_request", "The server does not take this request; is the host among those it serves?")


def server_error(request: HttpRequest) -> HttpResponse:
    if not request.path.startswith(API_PREFIX):
        return defaults.server_error(request)
    return _error(500, "internal", "The server failed at this request; its log says why.")


def _error(status: int, code: str, message: str) -> JsonResponse:
    return JsonResponse({"code": code, "message": message, "extra": {}}, status=status)
