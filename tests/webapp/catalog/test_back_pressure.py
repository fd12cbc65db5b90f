"""POST /events asks to come back later when there is too much to do, and loses nothing by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.streams import topics
from engine.streams.log import EventLog
from tests.webapp.client import Api
from webapp.accounts.models import Project, Scope
from webapp.catalog import back_pressure
from webapp.catalog.back_pressure import Gate, joiner_lag
from webapp.core.errors import Busy
from webapp.core.remembered import forget_everything
from webapp.training.services import joiner_report


def click(event_id: str) -> dict[str, Any]:
    return {"event_id": event_id, "type": "click", "user_id": "u", "item_id": "tea"}


def is_busy(answer: Any, reason: str, retry_after_s: str) -> bool:
    body = answer.json()
    return (answer.status_code, body["code"], body["extra"]["reason"], answer.headers["Retry-After"]) == (
        429,
        "busy",
        reason,
        retry_after_s,
    )


def test_a_gate_lets_in_what_fits_and_forgets_what_has_left() -> None:
    gate = Gate(max_requests=3, max_bytes=100)
    with gate.entered(60), gate.entered(40):
        with pytest.raises(Busy) as refused, gate.entered(1):
            pass
        assert refused.value.extra["reason"] == "bytes"
        assert (gate.num_requests, gate.num_bytes) == (2, 100)
    with gate.entered(100), gate.entered(0):
        assert gate.num_requests == 2
    assert (gate.num_requests, gate.num_bytes) == (0, 0)


def test_a_gate_counts_requests_and_lets_go_after_a_failure() -> None:
    gate = Gate(max_requests=1, max_bytes=100)
    with pytest.raises(KeyError), gate.entered(1):
        with pytest.raises(Busy) as refused, gate.entered(1):
            pass
        assert refused.value.extra["reason"] == "requests"
        raise KeyError
    with gate.entered(1):
        assert gate.num_requests == 1


def test_a_gate_lets_one_body_in_that_is_larger_than_all_it_holds() -> None:
    gate = Gate(max_requests=2, max_bytes=100)
    with gate.entered(1000), pytest.raises(Busy), gate.entered(1):
        pass


def test_it_answers_429_while_too_much_is_under_work(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(max_requests=1, max_bytes=10_000)
    monkeypatch.setattr(back_pressure, "gate", gate)
    with gate.entered(1):
        assert is_busy(api.post("/events", [click("e1")]), "requests", "1")
    assert api.post("/events", [click("e1")]).json()["accepted"] == 1
    assert (gate.num_requests, gate.num_bytes) == (0, 0)


def test_it_takes_a_packed_body_for_larger_than_it_is(monkeypatch: pytest.MonkeyPatch, project: Project) -> None:
    gate = Gate(max_requests=9, max_bytes=1000)
    monkeypatch.setattr(back_pressure, "gate", gate)
    with back_pressure.admitted(project=project, num_bytes=50, is_packed=True):
        assert gate.num_bytes == 500
    with back_pressure.admitted(project=project, num_bytes=50, is_packed=False):
        assert gate.num_bytes == 50


def test_it_answers_429_while_the_joiner_is_too_far_behind(
    api: Api, project: Project, log: EventLog, settings: Any
) -> None:
    settings.INGEST_MAX_LAG = 2
    assert api.post("/events", [click("e1"), click("e2")]).status_code == 200
    forget_everything()
    assert api.post("/events", [click("e3")]).status_code == 200
    forget_everything()
    assert is_busy(api.post("/events", [click("e4")]), "joiner_lag", "5")
    assert log.end_offsets(topics.events(project.slug)) == {0: 3}
    joiner_report(project=project, events_offsets={0: 1})
    forget_everything()
    assert api.post("/events", [click("e4")]).json()["accepted"] == 1


def test_it_never_refuses_for_the_joiner_when_told_so(api: Api, settings: Any) -> None:
    settings.INGEST_MAX_LAG = 0
    for number in range(3):
        assert api.post("/events", [click(f"e{number}")]).status_code == 200
        forget_everything()


def test_the_lag_is_what_is_in_the_log_and_not_joined(api: Api, project: Project, log: EventLog) -> None:
    assert joiner_lag(project) == 0
    api.post("/events", [click(f"e{number}") for number in range(5)])
    forget_everything()
    assert joiner_lag(project) == 5
    log.trim(topics.events(project.slug), 0, 2)
    forget_everything()
    assert joiner_lag(project) == 3
    joiner_report(project=project, events_offsets={0: 4})
    forget_everything()
    assert joiner_lag(project) == 1


def test_one_projects_lag_is_not_anothers(
    project: Project, other_project: Project, api_of: Callable[..., Api], settings: Any
) -> None:
    settings.INGEST_MAX_LAG = 1
    busy, free = api_of(project, Scope.INGEST), api_of(other_project, Scope.INGEST)
    busy.post("/events", [click("e1"), click("e2")])
    forget_everything()
    assert busy.post("/events", [click("e3")]).status_code == 429
    assert free.post("/events", [click("e3")]).status_code == 200
