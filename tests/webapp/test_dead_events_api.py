"""The inbox: what others wrote to the topic and the schema refuses is kept, counted, replayed and discarded."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from engine.errors import LogError
from engine.spec.event import Event
from engine.streams import topics
from engine.streams.log import EventLog, Record
from engine.streams.postgres import PostgresLog
from tests.webapp.client import Api
from tests.webapp.dead_letters import NOW_MS, click, deliver, produce, share
from webapp.accounts.models import Project, Scope
from webapp.catalog.inbox_taking import DEAD_EVENTS, inbox_note_unwritten, inbox_take
from webapp.catalog.models import DeadEvent, Item
from webapp.registry.selectors import schema_current
from webapp.registry.services import schema_publish


def allow_share(project: Project) -> None:
    document = schema_current(project=project).document
    schema_publish(project=project, document=document | {"events": document["events"] | {"share": {}}})


def events_after(log: EventLog, project: Project, offset: int) -> list[Event]:
    return [Event.from_bytes(record.value) for record in log.read(topics.events(project.slug), 0, offset)]


def reasons(api: Api) -> list[tuple[str, str, int, int]]:
    found = api.get("/dead-events/reasons").json()["reasons"]
    return [(one["reason"], one["field"], one["kept"], one["counted"]) for one in found]


def test_it_lists_what_was_refused_with_its_place_its_rule_and_what_was_received(
    api: Api, project: Project, log: EventLog
) -> None:
    deliver(log, project, click("e1"), click("e2", colour="red"), b"{")
    rows = api.get("/dead-events").json()["dead_events"]
    assert [(row["partition"], row["offset"], row["reason"]) for row in rows] == [
        (0, 2, "not_json"),
        (0, 1, "undeclared_field"),
    ]
    assert (rows[1]["topic"], rows[1]["field"], rows[1]["received"]) == ("shop.events", "colour", "'red'")
    assert (rows[1]["key"], rows[1]["timestamp_ms"], rows[1]["is_whole"]) == ("u1", NOW_MS, True)
    assert api.get(f"/dead-events/{rows[1]['id']}").json() == rows[1]


def test_it_counts_by_reason_and_field_and_pages_within_one(api: Api, project: Project, log: EventLog) -> None:
    deliver(log, project, *[share(f"s{number}") for number in range(5)], b"{")
    assert reasons(api) == [("unknown_type", "type", 5, 0), ("not_json", "(record)", 1, 0)]
    first = api.get("/dead-events", reason="unknown_type", limit=3).json()
    second = api.get("/dead-events", reason="unknown_type", limit=3, cursor=first["next_cursor"]).json()
    assert [row["offset"] for row in first["dead_events"]] == [4, 3, 2]
    assert [row["offset"] for row in second["dead_events"]] == [1, 0]
    assert second["next_cursor"] is None


def test_it_takes_each_letter_once(project: Project, log: EventLog) -> None:
    deliver(log, project, b"{", b"[")
    assert inbox_take(project=project) == 0
    produce(log, project, b"]")
    assert inbox_take(project=project) == 1
    assert list(DeadEvent.objects.order_by("pk").values_list("offset", flat=True)) == [0, 1, 2]


def test_it_passes_over_a_letter_it_cannot_read(api: Api, project: Project, log: EventLog) -> None:
    log.append(topics.events_dead(project.slug), [Record("", b"rubbish", 0), Record("", b'{"rule": 1}', 0)])
    deliver(log, project, b'"\\u0000"', click("e\x00"))
    assert reasons(api) == [("invalid_value", "event_id", 1, 0), ("not_an_event", "(row)", 1, 0)]


def test_it_cuts_what_is_too_long_in_a_letter_of_somebody_else(api: Api, project: Project, log: EventLog) -> None:
    produce(log, project, b"{")
    [record] = log.read(topics.events_dead(project.slug), 0, 0)
    long = {
        "rule": "r" * 10**5,
        "value": "v\x00" * 10**5,
        "key": "k" * 10**5,
        "field": "\x00" * 400,
        "reason": "z" * 99,
    }
    log.append(
        topics.events_dead(project.slug),
        [Record("", orjson.dumps(orjson.loads(record.value) | {"offset": 9} | long), 0)],
    )
    inbox_take(project=project)
    row = DeadEvent.objects.get(offset=9)
    assert (len(row.rule), len(row.value), len(row.key), len(row.field), len(row.reason)) == (
        4000,
        32_768,
        512,
        300,
        40,
    )
    assert not row.is_whole
    assert len(reasons(api)) == 2


def test_it_replays_what_passes_by_the_new_schema_with_its_id_its_time_and_its_origin(
    api: Api, project: Project, log: EventLog
) -> None:
    deliver(log, project, share("s1"), {"type": "share", "user_id": "u2", "item_id": "jam"}, at_ms=NOW_MS - 5000)
    assert api.post("/dead-events/replay", {"all": True}).json() == {"replayed": 0, "repeated": 0, "refused": 2}
    allow_share(project)
    assert api.post("/dead-events/replay", {"reason": "unknown_type"}).json() == {
        "replayed": 2,
        "repeated": 0,
        "refused": 0,
    }
    first, second = events_after(log, project, 2)
    assert (first.event_id, first.type, first.role, first.user_id) == ("s1", "share", "action", "u1")
    assert (first.timestamp_ms, first.received_ms) == (NOW_MS - 5000, NOW_MS - 5000)
    assert second.event_id.startswith("row-")
    assert b'"origin":"0:1"' in log.read(topics.events(project.slug), 0, 3)[0].value
    assert reasons(api) == []
    assert set(Item.objects.filter(project=project).values_list("external_id", flat=True)) == {"tea", "jam"}


def test_it_replays_an_event_id_once(api: Api, project: Project, log: EventLog) -> None:
    deliver(log, project, share("s1"), share("s1"), share("s2"))
    allow_share(project)
    api.post("/events", [share("s2")])
    end = log.end_offsets(topics.events(project.slug))[0]
    assert api.post("/dead-events/replay", {"all": True}).json() == {"replayed": 1, "repeated": 2, "refused": 0}
    assert [event.event_id for event in events_after(log, project, end)] == ["s1"]


def test_it_keeps_what_still_breaks_a_rule_with_the_reason_of_now(api: Api, project: Project, log: EventLog) -> None:
    deliver(log, project, {**share("s1"), "colour": "red", "type": "share"}, share("s2"))
    allow_share(project)
    found = {row["offset"]: row["id"] for row in api.get("/dead-events").json()["dead_events"]}
    answer = api.post("/dead-events/replay", {"ids": [found[0]]})
    assert answer.json() == {"replayed": 0, "repeated": 0, "refused": 1}
    row = api.get(f"/dead-events/{found[0]}").json()
    assert (row["reason"], row["field"]) == ("undeclared_field", "colour")
    assert row["replayed_at"] is not None
    assert api.get(f"/dead-events/{found[1]}").json()["replayed_at"] is None


def test_it_replays_a_long_one_from_the_topic_as_long_as_that_has_it(api: Api, project: Project, log: EventLog) -> None:
    long = [{**share(f"s{number}"), "items": None, "recommendation_id": "r", "x": "y" * 9000} for number in range(2)]
    deliver(log, project, *long)
    log.trim(topics.events(project.slug), 0, 1)
    api.post("/dead-events/replay", {"all": True})
    assert sorted(reasons(api)) == [("not_held", "(record)", 1, 0), ("undeclared_field", "x", 1, 0)]


def test_it_leaves_everything_as_it_was_when_the_log_is_away(
    api: Api, project: Project, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(log, project, share("s1"))
    allow_share(project)

    def away(*_: Any) -> None:
        raise LogError("the log is away")

    with monkeypatch.context() as patched:
        patched.setattr(PostgresLog, "append", away)
        assert api.post("/dead-events/replay", {"all": True}).status_code == 503
    assert reasons(api) == [("unknown_type", "type", 1, 0)]
    assert api.post("/dead-events/replay", {"all": True}).json()["replayed"] == 1


def test_it_discards_what_it_is_told_to(api: Api, project: Project, log: EventLog) -> None:
    deliver(log, project, share("s1"), share("s2"), b"{", b"[")
    oldest = api.get("/dead-events").json()["dead_events"][-1]["id"]
    assert api.post("/dead-events/discard", {"ids": [oldest]}).json() == {"discarded": 1}
    assert api.post("/dead-events/discard", {"reason": "not_json", "field": "(record)"}).json() == {"discarded": 2}
    assert reasons(api) == [("unknown_type", "type", 1, 0)]
    assert api.post("/dead-events/discard", {"all": True}).json() == {"discarded": 1}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"all": False},
        {"ids": []},
        {"ids": [1], "all": True},
        {"field": "type"},
        {"ids": [0]},
        {"ids": "x"},
        [],
        {"x": 1},
    ],
)
def test_it_asks_which_events_are_meant(api: Api, body: Any) -> None:
    for act in ("replay", "discard"):
        assert api.post(f"/dead-events/{act}", body).status_code == 400


@pytest.mark.parametrize("query", [{"cursor": "!"}, {"cursor": "YQ"}, {"reason": "a\x00"}, {"limit": 0}])
def test_it_refuses_a_list_it_cannot_make(api: Api, query: Any) -> None:
    assert api.get("/dead-events", **query).status_code == 400


def test_it_lets_only_managing_keys_act(project: Project, api_of: Callable[..., Api]) -> None:
    ingests, recommends = api_of(project, Scope.INGEST), api_of(project, Scope.RECOMMEND)
    assert ingests.get("/dead-events").status_code == 200
    assert recommends.get("/dead-events").status_code == 403
    assert ingests.post("/dead-events/discard", {"all": True}).status_code == 403
    assert api_of(project, Scope.MANAGE).post("/dead-events/replay", {"all": True}).status_code == 200


@dataclass
class Counted:
    num_records: int
    first_ms: int = NOW_MS
    last_ms: int = NOW_MS


def test_it_stops_keeping_at_the_limit_counts_the_rest_and_says_so_once(
    api: Api, project: Project, log: EventLog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FRESHET_INBOX_LIMIT", "30")
    before = DEAD_EVENTS.labels("shop", "not_json")._value.get()
    with caplog.at_level(logging.WARNING, "webapp.catalog.inbox_taking"):
        deliver(log, project, *[b"{"] * 50)
        deliver(log, project, *[b"{"] * 50, *[share(f"s{number}") for number in range(25)])
    # a flood of one kind does not hide another
    assert reasons(api) == [("not_json", "(record)", 30, 70), ("unknown_type", "type", 20, 5)]
    assert api.get("/dead-events/reasons").json()["flooded_at"] is not None
    assert len(caplog.records) == 1
    assert DEAD_EVENTS.labels("shop", "not_json")._value.get() - before == 100


def test_it_ends_the_alert_when_every_reason_of_it_was_dealt_with(
    api: Api, project: Project, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRESHET_INBOX_LIMIT", "1")
    deliver(log, project, *[b"{"] * 25, *[share(f"s{number}") for number in range(25)])
    api.post("/dead-events/discard", {"reason": "not_json"})
    assert api.get("/dead-events/reasons").json()["flooded_at"] is not None
    newest = api.get("/dead-events").json()["dead_events"][0]["id"]
    api.post("/dead-events/discard", {"ids": [newest]})
    assert api.get("/dead-events/reasons").json()["flooded_at"] is not None
    allow_share(project)
    api.post("/dead-events/replay", {"reason": "unknown_type", "field": "type"})
    assert api.get("/dead-events/reasons").json() == {"reasons": [], "limit": 1, "flooded_at": None}
    deliver(log, project, *[b"{"] * 25)
    assert api.get("/dead-events/reasons").json()["flooded_at"] is not None


def test_it_shows_what_the_joiner_counted_instead_of_writing(api: Api, project: Project) -> None:
    group = ("not_json", "(record)")
    inbox_note_unwritten(project=project, counted={group: Counted(7)})
    inbox_note_unwritten(project=project, counted={group: Counted(9)})
    assert reasons(api) == [("not_json", "(record)", 0, 9)]
    api.post("/dead-events/discard", {"reason": "not_json"})
    assert reasons(api) == []
    inbox_note_unwritten(project=project, counted={group: Counted(12)})
    assert reasons(api) == [("not_json", "(record)", 0, 3)]


def test_it_counts_letters_that_were_trimmed_before_it_came(api: Api, project: Project, log: EventLog) -> None:
    deliver(log, project, b"{")
    produce(log, project, b"{", b"{", b"{")
    log.trim(topics.events_dead(project.slug), 0, 3)
    inbox_take(project=project)
    assert reasons(api) == [("not_json", "(record)", 2, 0), ("trimmed", "", 0, 2)]


def test_it_shows_events_of_others_among_the_newest(project: Project, log: EventLog) -> None:
    from webapp.catalog.selectors import recent_events

    produce(log, project, click("e1"), b"{")
    assert [event.event_id for event in recent_events(project=project)] == ["e1"]
