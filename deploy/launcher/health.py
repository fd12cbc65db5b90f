"""Whether the console answers."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request


def answers(base_url: str, timeout_s: float = 3.0) -> bool:
    """One try of `GET /api/v1/health`."""
    try:
        with urllib.request.urlopen(f"{base_url}/api/v1/health", timeout=timeout_s) as reply:  # noqa: S310 - http, ours
            json.load(reply)
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError, ValueError, http.client.HTTPException):
        return False
