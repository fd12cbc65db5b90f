"""The whole site: the REST API and the console."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("api/v1/", include("webapp.api_urls")),
    path("", include("webapp.console_urls")),
]
