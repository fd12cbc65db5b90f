"""The browsable reference page. Its scripts and styles come from this server, not from a CDN."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from drf_spectacular.utils import extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from webapp.core.api import ApiView


class AnyAccept(BaseContentNegotiation):
    """The page for whoever asks, whatever they accept; errors stay JSON."""

    def select_renderer(self, request, renderers, format_suffix=None):  # type: ignore[no-untyped-def]  # noqa: ARG002
        return renderers[0], renderers[0].media_type


@extend_schema(exclude=True)
class ApiReferenceView(ApiView):
    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = []
    content_negotiation_class = AnyAccept

    def get(self, request: Request) -> HttpResponse:
        return render(request, "api_reference.html")
