"""What arrives: verdicts, who sent it, what is shown of it, and how little is read for that."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from engine.streams import topics
from engine.streams.log import EventLog, Record
from tests.webapp.client import Api
from tests.webapp.dead_letters import dead_event
from webapp.accounts.models import ApiKey, Membership, Project, Scope
from webapp.accounts.services import account_create
from webapp.catalog.senders import ranges_of, senders_of, senders_tell
from webapp.catalog.services import events_ingest
from webapp.core.clock import wall_ms
from webapp.core.errors import Invalid
from webapp.core.redis_connection import redis_connection
from webapp.tracing import tail
from webapp.tracing.tail import TailPlaces, tail_news, tail_page
from webapp.tracing.tail_rows import TOPIC_WRITER, TailFilter, Verdict

EVERYTHING = TailFilter()


@pytest.fixture(autouse=True)
def _nobody_sent(project: Project) -> None:
    senders_tell()
    redis_connection().delete(f"freshet:senders:{project.slug}")


def click(event_id: str, user_id: str = "ann", **more: Any) -> dict[str, Any]:
    return {"event_id": event_id, "type": "click", "user_id": user_id, "item_id": "tea", **more}


def shown(page: tail.TailPage) -> list[tuple[str, str]]:
    return [(row.verdict.value, row.event_id) for row in page.rows]


def test_it_shows_each_verdict_with_the_rule_that_was_broken_and_who_sent_it(
    log: EventLog, api: Api, project: Project
) -> None:
    api.post("/events", [click("e1"), {"event_id": "bad", "type": "clik", "user_id": "bob"}])
    api.post("/events", [click("e1")])
    log.append(
        topics.events(project.slug),
        [Record("ann", b'{"event_id": "p1", "type": "click", "user_id": "ann", "item_id": "tea"}', wall_ms())],
    )
    dead = dead_event(project)
    senders_tell()
    rows = {row.verdict: row for row in tail_page(project=project, wanted=EVERYTHING).rows if row.event_id != "p1"}
    key = ApiKey.objects.get(project=project)
    said = f"{key.name} ({key.prefix})"
    assert (rows[Verdict.ACCEPTED].event_id, rows[Verdict.ACCEPTED].place, rows[Verdict.ACCEPTED].sent_by) == (
        "e1",
        "0:0",
        said,
    )
    assert (rows[Verdict.REJECTED].event_id, rows[Verdict.REJECTED].sent_by) == ("bad", said)
    assert rows[Verdict.REJECTED].problems[0]["field"] == "type"
    assert (rows[Verdict.REPEATED].number, rows[Verdict.REPEATED].sent_by) == (1, said)
    assert rows[Verdict.DEAD].dead_id == dead.pk
    written = next(row for row in tail_page(project=project, wanted=EVERYTHING).rows if row.event_id == "p1")
    assert (written.verdict, written.sent_by) == (Verdict.ACCEPTED, TOPIC_WRITER)


def test_it_shows_only_what_is_wanted(api_of: Callable[..., Api], project: Project) -> None:
    api_of(project, Scope.INGEST).post("/events", [click("a1"), click("b1", "bob")])
    api_of(project, Scope.INGEST).post("/events", [click("a2"), {**click("a3"), "type": "clik"}])
    senders_tell()
    second = ApiKey.objects.filter(project=project).order_by("pk")[1]
    wanted = {
        "user": (TailFilter(user_id="bob"), [("accepted", "b1")]),
        "key": (TailFilter(sender=second.prefix), [("rejected", "a3"), ("accepted", "a2")]),
        "type": (TailFilter(event_type="clik"), [("rejected", "a3")]),
        "verdict": (TailFilter(only_refused=True), [("rejected", "a3")]),
    }
    for name, (wish, expected) in wanted.items():
        assert sorted(shown(tail_page(project=project, wanted=wish))) == sorted(expected), name
        assert TailFilter.of_query(wish.query) == wish


def test_it_goes_on_from_where_it_was_and_says_how_much_it_passed_over(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    events_ingest(project=project, rows=[click("old")], source="test")
    page = tail_page(project=project, wanted=EVERYTHING)
    places = TailPlaces.parse(str(page.places))
    assert tail_news(project=project, wanted=EVERYTHING, after=places).rows == []
    rows = [click(f"e{number}") for number in range(5)]
    events_ingest(project=project, rows=[*rows, {"type": "clik"}], source="test")
    news = tail_news(project=project, wanted=EVERYTHING, after=places)
    assert len(news.rows) == 6
    assert news.num_passed == 0
    assert tail_news(project=project, wanted=EVERYTHING, after=news.places).rows == []
    monkeypatch.setattr(tail, "NEWS_AT_ONCE", 2)
    late = tail_news(project=project, wanted=EVERYTHING, after=places)
    assert (len([row for row in late.rows if row.verdict is Verdict.ACCEPTED]), late.num_passed) == (2, 3)


def test_it_has_an_address_for_every_moment_and_reads_no_more_than_it_shows(project: Project) -> None:
    now_ms = wall_ms()
    for number in range(30):
        events_ingest(
            project=project, rows=[click(f"e{number}")], source="test", clock_ms=partial(int, now_ms + number)
        )
    first = tail_page(project=project, wanted=EVERYTHING, until_ms=now_ms + 19, limit=8)
    assert shown(first) == [("accepted", f"e{number}") for number in range(19, 11, -1)]
    assert first.older_ms == now_ms + 11
    second = tail_page(project=project, wanted=EVERYTHING, until_ms=first.older_ms, limit=20)
    assert second.rows[0].event_id == "e11"
    assert (len(second.rows), second.older_ms) == (12, None)


def test_it_remembers_whole_ranges_and_not_each_event(project: Project) -> None:
    events_ingest(project=project, rows=[click(f"e{number}") for number in range(40)], source="test")
    senders_tell()
    [sending] = senders_of(project.slug).calls
    assert (sending.source, sending.who, sending.ranges) == ("test", "", ((0, 0, 40),))
    assert ranges_of([]) == []


@pytest.mark.parametrize("text", ["", "x", "0.1;r1;d1", "0.1;r1;d1;tx", "0.1,;r1;d1;t1"])
def test_it_refuses_a_place_that_it_did_not_say(text: str) -> None:
    with pytest.raises(Invalid):
        TailPlaces.parse(text)


def test_it_is_a_page_of_the_project_that_needs_no_script(api: Api, project: Project, other_project: Project) -> None:
    api.post("/events", [click("e1", "<b>ann"), {"event_id": "bad", "type": "clik", "user_id": "bob"}])
    member = account_create(username="m", password="a long enough password")
    Membership.objects.create(account=member, project=project)
    browser = Client()
    browser.force_login(member)
    page = browser.get(reverse("event_debugger", args=[project.slug])).content.decode()
    assert "&lt;b&gt;ann" in page
    assert "must be one of the declared event types" in page
    assert f"{reverse('event_trace', args=[project.slug])}?event_id=e1&amp;at=0:0" in page
    assert "until=" in page, "a pause has an address"
    filtered = browser.get(reverse("event_debugger", args=[project.slug]), {"user": "nobody"}).content.decode()
    assert "Nothing of the kind" in filtered
    assert browser.get(reverse("event_debugger", args=[project.slug]), {"until": "yesterday"}).status_code == 400
    assert browser.get(reverse("event_debugger", args=[other_project.slug])).status_code == 404
