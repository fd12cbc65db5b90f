"""A client so light that what it measures is the server: one kept connection, no pool, no redirects."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

IDLE_S = 2.0
"""The server closes a connection that was idle for 5 s; a shorter pause than that must not meet a closed one."""


class ApiClient:
    """For one thread. Only ever talks to this machine."""

    def __init__(self, base_url: str, api_key: str, headers: Mapping[str, str] | None = None) -> None:
        parts = urlsplit(base_url)
        assert parts.hostname in {"127.0.0.1", "localhost", "::1"}, f"not this machine: {base_url}"
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30.0)
        self._headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json", **(headers or {})}
        self._used_at_s = time.monotonic()

    def post(self, path: str, body: bytes) -> Any:
        """The decoded answer. Raises AssertionError unless it is a 200."""
        if time.monotonic() - self._used_at_s > IDLE_S:
            self._connection.close()  # the request opens it again
        self._connection.request("POST", f"/api/v1{path}", body, self._headers)
        response = self._connection.getresponse()
        content = response.read()
        self._used_at_s = time.monotonic()
        assert response.status == 200, f"POST {path} answered {response.status}: {content[:500]!r}"
        return json.loads(content)

    def close(self) -> None:
        self._connection.close()
