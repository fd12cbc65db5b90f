"""The REST API as a program sees it, and documents that most tests need."""

from __future__ import annotations

from typing import Any

from django.test import Client

DEFINITION: dict[str, Any] = {
    "slots": [
        {"name": "user", "number": 1, "source": "user.id", "dim": 8},
        {"name": "item", "number": 2, "source": "item.id", "dim": 8},
    ],
    "architecture": {"kind": "two_tower", "hidden": [8], "output_dim": 8},
}
RANKING_DEFINITION: dict[str, Any] = {**DEFINITION, "architecture": {"kind": "deepfm", "hidden": [8]}}

PATIENT: dict[str, Any] = {"timeout_ms": 30_000}
"""A deployment's document for tests that are about something else than time: a busy machine may hold a server up for half a second."""


class Api:
    """The REST API as a program with one key sees it."""

    def __init__(self, secret: str | None) -> None:
        self._client = Client(headers={"authorization": f"Bearer {secret}"} if secret else {})

    def get(self, path: str, **query: Any) -> Any:
        return self._client.get(f"/api/v1{path}", query_params=query)

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        call = getattr(self._client, method)
        return call(f"/api/v1{path}", data=body, content_type="application/json", headers=headers)

    def post(self, path: str, body: Any = None) -> Any:
        return self.send("post", path, body)

    def put(self, path: str, body: Any = None) -> Any:
        return self.send("put", path, body)

    def patch(self, path: str, body: Any = None) -> Any:
        return self.send("patch", path, body)

    def delete(self, path: str) -> Any:
        return self.send("delete", path)
