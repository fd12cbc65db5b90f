"""What is counted of calls for items, for `/metrics` and the console."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from engine.serving.requests import Ask
from webapp.catalog.impressions import impression_appender
from webapp.core.metrics import PROJECT
from webapp.core.rates import rates
from webapp.serving.door.breaker import BreakerState
from webapp.serving.door.serving_loop import loop_states

BUCKETS_S = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
NOTED_EVERY = 32
"""So many calls apart the gauges are looked at."""

_BREAKER_NUMBERS = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}

_requests = Counter(
    "freshet_requests",
    "Calls for items that were answered, by status and by why the answer is less than it should be",
    [PROJECT, "call", "deployment", "status", "degraded"],
)
_latency = Histogram(
    "freshet_request_seconds",
    "From the head of a request to the end of its answer",
    [PROJECT, "call"],
    buckets=BUCKETS_S,
)
_waiting = Gauge(
    "freshet_impressions_waiting", "Impressions that the log does not have yet", multiprocess_mode="livesum"
)
_lost = Gauge("freshet_impressions_lost", "Impressions that were not logged", multiprocess_mode="sum")
_appended = Gauge("freshet_impressions_appended", "Impressions that were logged", multiprocess_mode="sum")
_groups = Gauge("freshet_impression_appends", "Appends in which they were logged", multiprocess_mode="sum")
_hedged = Gauge("freshet_requests_hedged", "Calls for which a second replica was asked", multiprocess_mode="sum")
_breaker = Gauge(
    "freshet_breaker_state",
    "Of a replica as each web process knows it: 0 closed, 1 half open, 2 open",
    ["replica"],
    multiprocess_mode="liveall",
)

_num_until_looked = 0


def note_call(ask: Ask, status: int, answer: Mapping[str, Any], took_s: float, project: str = "") -> None:
    """One call was answered. `answer` is empty when it was refused."""
    global _num_until_looked
    _request_counter(project, ask, answer.get("deployment", ""), status, answer.get("degraded") or "").inc()
    _latency_histogram(project, ask).observe(took_s)
    if project:
        rates().add_call(project, status=status, took_s=took_s, is_degraded=bool(answer.get("degraded")))
    _num_until_looked -= 1
    if _num_until_looked <= 0 or status != 200:
        _num_until_looked = NOTED_EVERY
        look()


def look() -> None:
    """Set the gauges to how things stand."""
    appender = impression_appender()
    _lost.set(appender.num_lost)
    _appended.set(appender.num_appended)
    _groups.set(appender.num_groups)
    serving = loop_states()
    _waiting.set(appender.num_waiting + (0 if serving is None else serving.impressions.num_waiting))
    if serving is not None:
        _hedged.set(serving.replicas.num_hedged)
        for address, state in serving.replicas.states().items():
            _breaker.labels(address).set(_BREAKER_NUMBERS[state])


@lru_cache(maxsize=4096)
def _request_counter(project: str, ask: Ask, deployment: str, status: int, degraded: str) -> Counter:
    return _requests.labels(project, ask.value, deployment, str(status), degraded)


@lru_cache(maxsize=1024)
def _latency_histogram(project: str, ask: Ask) -> Histogram:
    return _latency.labels(project, ask.value)
