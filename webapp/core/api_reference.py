"""The browsable reference page. Its scripts and styles come from this server, not from a CDN."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def api_reference(request: HttpRequest) -> HttpResponse:
    return render(request, "api_reference.html")
