"""Other products' calls for items are counted as our own are: in `/metrics`, and in the console's rates."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.response import Response

from engine.serving.requests import Ask
from webapp.accounts.authentication import project_of
from webapp.core.api import ApiView
from webapp.serving.asked import Asked
from webapp.serving.door.measures import note_call
from webapp.serving.recommending import answer


class MeasuredCall(ApiView):
    """A view whose requests each `ask` at most once. What is refused before is counted by its status."""

    ask = Ask.RECOMMEND

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        self._started_s = time.perf_counter()
        self._found: Mapping[str, Any] = {}
        self._slug = ""
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self._slug = project_of(request).slug

    def asked(self, request: Request, asked: Asked) -> dict[str, Any]:
        """What is answered. Raises as `webapp.serving.recommending.answer`."""
        self.ask = asked.ask
        found = answer(project=project_of(request), asked=asked)
        self._found = found
        return found

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        answered = super().finalize_response(request, response, *args, **kwargs)
        took_s = time.perf_counter() - self._started_s
        note_call(self.ask, answered.status_code, self._found, took_s, self._slug)
        return answered
