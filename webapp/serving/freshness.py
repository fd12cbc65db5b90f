"""How long an event takes to reach the parameters that serve: measured from outside, over the public API."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx


class FreshnessError(Exception):
    """The system measured does not do what is measured; the message says which part."""


@dataclass(frozen=True, slots=True)
class Place:
    """An accepted event's place in the log."""

    partition: int
    offset: int


class RunningSystem:
    """A Freshet at `base_url`, spoken to with one API key."""

    def __init__(self, base_url: str, api_key: str, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(
            base_url=f"{base_url.rstrip('/')}/api/v1",
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=10.0,
            transport=transport,
        )

    def post_event(self, event_type: str, user_id: str, item_id: str) -> Place:
        """Returns when the 2xx is here. Raises `FreshnessError` for any other answer."""
        event = {
            "event_id": f"freshness-{uuid.uuid4().hex}",
            "type": event_type,
            "user_id": user_id,
            "item_id": item_id,
        }
        result = self._asked("POST", "/events", json={"events": [event]})["results"][0]
        if result["status"] != "accepted":
            raise FreshnessError(f"the event was {result['status']}: {result.get('problems')}")
        return Place(result["partition"], result["offset"])

    def sync(self, model: str, version: int) -> dict[str, Any]:
        return self._asked("GET", f"/models/{model}/sync", params={"version": version})

    def close(self) -> None:
        self._http.close()

    def _asked(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, **content)
        except httpx.HTTPError as error:
            raise FreshnessError(f"{self._http.base_url}{path} does not answer: {error}") from error
        if response.is_error:
            raise FreshnessError(f"{method} {path} answered {response.status_code}: {response.text[:300]}")
        answer: dict[str, Any] = response.json()
        return answer


def covers(sync: dict[str, Any], place: Place) -> bool:
    """Whether every living replica says by itself that it serves parameters trained on the event."""
    alive = [replica for replica in sync["replicas"] if replica["is_alive"]]
    through = [
        replica["events_through"].get(str(place.partition), 0) for replica in alive if replica["source"] == "live"
    ]
    return bool(alive) and len(through) == len(alive) and all(offset > place.offset for offset in through)


def wait_until(
    is_so: Callable[[], bool],
    *,
    timeout_s: float,
    poll_s: float,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> float | None:
    """Seconds until `is_so`, looked at each `poll_s`; None when `timeout_s` passed first."""
    started = clock()
    while True:
        if is_so():
            return clock() - started
        if clock() - started >= timeout_s:
            return None
        sleep(poll_s)


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: the smallest value that at least this share of the values do not exceed."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
