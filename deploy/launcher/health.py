"""Whether the console answers, and what it says of itself."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request


def problems(base_url: str, timeout_s: float = 5.0) -> list[str] | None:
    """What `GET /api/v1/health` finds wrong, `name: what`; an empty list when all is well, None when nobody answers."""
    try:
        with urllib.request.urlopen(f"{base_url}/api/v1/health", timeout=timeout_s) as reply:  # noqa: S310 - http, ours
            return _failing(reply.read())
    except urllib.error.HTTPError as refused:
        return _failing(refused.read())
    except (OSError, http.client.HTTPException):
        return None


def _failing(body: bytes) -> list[str] | None:
    try:
        checks = dict(json.loads(body)["checks"])
    except (ValueError, KeyError, TypeError):
        return None
    return [f"{name}: {said}" for name, said in checks.items() if said != "ok"]
