"""The whole site: the REST API and the console."""

from __future__ import annotations

from django.urls import include, path, re_path

from webapp.core.api import UnknownAddressView
from webapp.core.metrics import metrics

handler400 = "webapp.core.failures.bad_request"
handler500 = "webapp.core.failures.server_error"

urlpatterns = [
    path("api/v1/", include("webapp.api_urls")),
    re_path(r"^api(/|$)", UnknownAddressView.as_view()),
    path("metrics", metrics, name="metrics"),
    path("gorse/api/", include("webapp.compat.gorse.urls")),
    path("personalize/", include("webapp.compat.personalize.urls")),
    path("", include("webapp.console_urls")),
]
