"""The measuring itself, against hand-made answers and a clock that the test owns."""

from __future__ import annotations

import json
import math
from typing import Any

import httpx
import pytest

from webapp.serving.freshness import FreshnessError, Place, RunningSystem, covers, percentile, wait_until


def replica(offset: int, **changes: Any) -> dict[str, Any]:
    return {"is_alive": True, "source": "live", "events_through": {"0": offset}, **changes}


@pytest.mark.parametrize(
    ("replicas", "expected"),
    [
        ([replica(11)], True),
        ([replica(10)], False),  # `through` is the next offset: 10 means that offset 10 is not in yet
        ([replica(11), replica(10)], False),
        ([replica(11), replica(0, is_alive=False)], True),
        ([replica(11, source="report")], False),
        ([replica(11, events_through={"1": 11})], False),
        ([replica(0, is_alive=False)], False),
        ([], False),
    ],
)
def test_event_is_covered_when_every_living_replica_says_so(replicas: list[dict[str, Any]], expected: bool) -> None:
    assert covers({"replicas": replicas}, Place(0, 10)) is expected


def test_percentile_is_the_nearest_rank() -> None:
    values = [15.0, 20.0, 35.0, 40.0, 50.0]
    assert [percentile(values, share) for share in (0.05, 0.3, 0.4, 0.5, 1.0)] == [15.0, 20.0, 20.0, 35.0, 50.0]
    assert math.isnan(percentile([], 0.5))


def test_waiting_tells_how_long_it_took_and_gives_up_in_time() -> None:
    now = 0.0

    def sleep(duration_s: float) -> None:
        nonlocal now
        now += duration_s

    assert wait_until(lambda: now >= 0.7, timeout_s=5, poll_s=0.25, clock=lambda: now, sleep=sleep) == 0.75
    now = 0.0
    assert wait_until(lambda: False, timeout_s=1, poll_s=0.25, clock=lambda: now, sleep=sleep) is None
    assert now == 1.0


def system(status: int, answer: dict[str, Any], seen: list[httpx.Request] | None = None) -> RunningSystem:
    def respond(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        return httpx.Response(status, json=answer)

    return RunningSystem("http://freshet.test/", "fk_a_b", httpx.MockTransport(respond))


def test_posted_event_answers_its_place_in_the_log() -> None:
    seen: list[httpx.Request] = []
    answer = {"results": [{"status": "accepted", "partition": 2, "offset": 9}]}
    assert system(200, answer, seen).post_event("click", "u", "i") == Place(2, 9)
    (request,) = seen
    assert (str(request.url), request.headers["Authorization"]) == (
        "http://freshet.test/api/v1/events",
        "Bearer fk_a_b",
    )
    (event,) = json.loads(request.content)["events"]
    assert (event["type"], event["user_id"], event["item_id"]) == ("click", "u", "i")


def test_event_that_is_not_accepted_ends_the_measurement() -> None:
    with pytest.raises(FreshnessError, match="rejected"):
        system(200, {"results": [{"status": "rejected", "problems": []}]}).post_event("click", "u", "i")
    with pytest.raises(FreshnessError, match="503"):
        system(503, {"code": "unavailable"}).sync("ranker", 1)
