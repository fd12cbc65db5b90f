"""POST /events: per-row answers, repeats, durability, refusals."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings

from engine.errors import LogError
from engine.spec.event import CatalogChange, Event
from engine.streams import topics
from engine.streams.log import EventLog
from engine.streams.postgres import PostgresLog
from tests.webapp.client import Api
from webapp.accounts.models import Project
from webapp.catalog.models import AcceptedEvent, Item, RejectedRow
from webapp.registry.services import schema_publish


def click(event_id: str, user_id: str = "u1", item_id: str = "tea", **more: Any) -> dict[str, Any]:
    return {"event_id": event_id, "type": "click", "user_id": user_id, "item_id": item_id, **more}


def events_in(log: EventLog, project: Project) -> list[Event]:
    return [Event.from_bytes(record.value) for record in log.read(topics.events(project.slug), 0, 0)]


def test_it_answers_each_row_and_its_place_in_the_log(api: Api, project: Project, log: EventLog) -> None:
    answer = api.post("/events", [click("e1"), {"type": "nothing", "user_id": "u1"}, click("e2", item_id="jam")])
    body = answer.json()
    assert answer.status_code == 200
    assert (body["accepted"], body["repeated"], body["rejected"]) == (2, 0, 1)
    assert [row["status"] for row in body["results"]] == ["accepted", "rejected", "accepted"]
    assert [(row["partition"], row["offset"]) for row in body["results"]] == [(0, 0), (None, None), (0, 1)]
    assert body["results"][1]["problems"][0]["field"] == "type"
    assert [event.event_id for event in events_in(log, project)] == ["e1", "e2"]


def test_it_takes_the_rows_under_events_too(api: Api) -> None:
    assert api.post("/events", {"events": [click("e1")]}).json()["accepted"] == 1


def test_it_appends_an_event_id_once_however_often_it_is_sent(api: Api, project: Project, log: EventLog) -> None:
    first = api.post("/events", [click("e1"), click("e1", item_id="jam")]).json()
    second = api.post("/events", [click("e1"), click("e2")]).json()
    assert [row["status"] for row in first["results"]] == ["accepted", "repeated"]
    assert [row["status"] for row in second["results"]] == ["repeated", "accepted"]
    assert [(event.event_id, event.item_id) for event in events_in(log, project)] == [("e1", "tea"), ("e2", "tea")]


def test_it_answers_200_when_every_row_is_a_repeat(api: Api) -> None:
    api.post("/events", [click("e1")])
    assert api.post("/events", [click("e1")]).status_code == 200


def test_it_answers_400_with_the_whole_report_when_no_row_is_good(api: Api) -> None:
    answer = api.post("/events", [{"type": "click"}, 7])
    body = answer.json()
    assert answer.status_code == 400
    assert body["code"] == "all_rejected"
    assert body["extra"]["rejected"] == 2
    assert {problem["field"] for problem in body["extra"]["results"][0]["problems"]} == {"user_id", "item_id"}


def test_it_keeps_refused_rows_for_a_person_to_look_at(api: Api, project: Project) -> None:
    api.post("/events", [click("e1"), {"type": "click", "user_id": "a\x00b"}])
    kept = RejectedRow.objects.get(project=project)
    assert (kept.source.startswith("api · test ("), kept.row_number) == (True, 1)
    assert {problem["field"] for problem in kept.problems} == {"user_id", "item_id"}


def test_it_keeps_the_newest_refused_rows_only(api: Api, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.catalog.services.MAX_REJECTED_KEPT", 3)
    for number in range(5):
        api.post("/events", [{"type": f"unknown{number}", "user_id": "u1"}])
    kept = RejectedRow.objects.filter(project=project).order_by("id")
    assert [row.row and row.row["type"] for row in kept] == ["unknown2", "unknown3", "unknown4"]


def test_it_creates_items_it_has_not_seen_and_tells_the_log(api: Api, project: Project, log: EventLog) -> None:
    api.put("/items/tea", {"properties": {"title": "Tea"}})
    api.post("/events", [click("e1"), click("e2", item_id="jam"), click("e3", item_id="jam")])
    impression = {"type": "impression", "user_id": "u1", "items": ["tea", "oil", "jam"]}
    api.post("/events", [impression])
    assert list(Item.objects.filter(project=project).order_by("external_id").values_list("external_id", flat=True)) == [
        "jam",
        "oil",
        "tea",
    ]
    changes = [CatalogChange.from_bytes(record.value) for record in log.read(topics.catalog(project.slug), 0, 0)]
    assert [(change.id, change.properties) for change in changes] == [
        ("tea", {"title": "Tea"}),
        ("jam", {}),
        ("oil", {}),
    ]


def test_it_leaves_unknown_items_alone_when_the_schema_says_so(api: Api, project: Project) -> None:
    schema_publish(project=project, document={"events": {"click": {}}, "create_items_from_events": False})
    assert api.post("/events", [click("e1")]).json()["accepted"] == 1
    assert not Item.objects.filter(project=project).exists()


@pytest.mark.django_db(transaction=True)
def test_it_leaves_no_trace_of_a_batch_that_the_log_refused(
    api: Api, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: PostgresLog, topic: str, records: object) -> None:
        raise LogError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(PostgresLog, "append", refuse)
        answer = api.post("/events", [click("e1"), {"type": "click"}])
    assert answer.status_code == 503
    assert answer.json()["code"] == "log_error"
    assert not AcceptedEvent.objects.filter(project=project).exists()
    assert not Item.objects.filter(project=project).exists()
    assert not RejectedRow.objects.filter(project=project).exists()
    assert api.post("/events", [click("e1")]).json()["accepted"] == 1


def test_it_refuses_more_rows_than_one_request_may_have(api: Api) -> None:
    answer = api.post("/events", [click(str(number)) for number in range(settings.MAX_EVENTS_PER_REQUEST + 1)])
    assert answer.status_code == 413
    assert answer.json()["extra"] == {"max_rows": 5000, "received": 5001}


def test_it_refuses_a_body_that_is_too_long(api: Api, settings: Any) -> None:
    settings.MAX_BODY_BYTES = 100
    answer = api.post("/events", [click("e" * 90)])
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize("body", [[], {"events": []}, {"events": "many"}, {}, {"rows": []}, "text", 5, None])
def test_it_refuses_what_is_no_batch(api: Api, body: Any) -> None:
    answer = api.post("/events", body)
    assert answer.status_code == 400
    assert answer.json()["code"] in ("invalid", "parse_error")


def test_it_makes_the_topics_when_the_log_is_new(api: Api, project: Project, log: EventLog) -> None:
    import psycopg
    from django.conf import settings as live

    with psycopg.connect(live.LOG_URL, autocommit=True) as own:
        own.execute("TRUNCATE freshet_log.topic CASCADE")
    assert api.post("/events", [click("e1")]).json()["accepted"] == 1
