"""The inbox's pages: reasons, one reason's events, one event, and what a person does with them."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from engine.spec.event import Event
from engine.streams import topics
from engine.streams.log import EventLog
from tests.webapp.console.page import Page
from tests.webapp.dead_letters import NOW_MS, click, deliver, share
from webapp.accounts.models import Project
from webapp.catalog.models import DeadEvent
from webapp.registry.services import schema_publish


def page_of(browser: Client, name: str, *args: Any, **query: str) -> Page:
    answer = browser.get(reverse(name, args=args), query_params=query)
    assert answer.status_code == 200
    page = Page(answer.content.decode())
    assert page.unlabelled == []
    assert page.inline_scripts == []
    return page


def act(browser: Client, project: Project, **fields: Any) -> Page:
    answer = browser.post(reverse("inbox_act", args=[project.slug]), fields, follow=True)
    assert answer.status_code == 200
    return Page(answer.content.decode())


def test_it_says_that_nothing_was_refused(browser: Client, project: Project) -> None:
    assert "Nothing was refused" in page_of(browser, "inbox", project.slug).text


def test_it_shows_reasons_with_their_numbers_and_leads_to_their_events(
    browser: Client, project: Project, log: EventLog
) -> None:
    deliver(log, project, share("s1"), share("s2"), b"{<b>")
    page = page_of(browser, "inbox", project.slug)
    assert "Unknown event type type 2" in page.text
    assert "Not JSON (record) 1" in page.text
    address = next(one["href"] for one in page.all("a") if "unknown_type" in str(one.get("href")))
    answer = browser.get(str(address))
    found = Page(answer.content.decode())
    assert "2 kept; the newest first" in found.text
    assert found.unlabelled == []
    one = DeadEvent.objects.get(reason="not_json")
    text = page_of(browser, "dead_event", project.slug, one.pk).text
    assert "{<b>" in text
    assert "Partition 0 Offset 2 Key u1" in text


def test_it_pages_through_the_events_of_a_reason(
    browser: Client, project: Project, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.catalog.inbox_views.PAGE_SIZE", 2)
    deliver(log, project, *[share(f"s{number}") for number in range(5)])
    address, seen = reverse("dead_events", args=[project.slug]) + "?reason=unknown_type&field=type", []
    while address:
        page = Page(browser.get(address).content.decode())
        seen += [one["aria-label"] for one in page.all("input", type="checkbox")]
        address = next(
            (reverse("dead_events", args=[project.slug]) + str(one["href"]) for one in page.all("a", rel="next")), ""
        )
    assert seen == [f"Event at 0:{offset}" for offset in (4, 3, 2, 1, 0)]


def test_it_replays_the_ticked_once_the_schema_takes_them(browser: Client, project: Project, log: EventLog) -> None:
    deliver(log, project, share("s1"), share("s2"))
    first, second = DeadEvent.objects.order_by("pk")
    group = {"reason": "unknown_type", "field": "type"}
    assert "1 event still break a rule" in act(browser, project, act="replay:ids", ids=[first.pk], **group).text
    schema_publish(project=project, document={"events": {"share": {}}})
    page = act(browser, project, act="replay:ids", ids=[first.pk], **group)
    assert "1 event replayed." in page.text
    assert "1 kept; the newest first" in page.text
    page = act(browser, project, act="replay:group", **group)
    assert "Nothing was refused" in page.text
    records = log.read(topics.events(project.slug), 0, 2)
    assert [Event.from_bytes(record.value).event_id for record in records] == ["s1", "s2"]
    assert second.pk not in DeadEvent.objects.values_list("pk", flat=True)


def test_it_discards_one_or_everything(browser: Client, project: Project, log: EventLog) -> None:
    deliver(log, project, share("s1"), b"{", b"[")
    one = DeadEvent.objects.get(reason="unknown_type")
    assert "1 event discarded." in act(browser, project, act="discard:ids", ids=[one.pk], reason=one.reason).text
    assert "2 events discarded." in act(browser, project, act="discard:all").text
    assert not DeadEvent.objects.exists()


@pytest.mark.parametrize("fields", [{"act": "replay:ids"}, {"act": "discard:ids", "ids": ["x"]}, {}, {"act": "no"}])
def test_it_does_nothing_when_nothing_is_ticked(
    browser: Client, project: Project, log: EventLog, fields: dict[str, Any]
) -> None:
    deliver(log, project, share("s1"))
    assert "Tick the events that are meant first." in act(browser, project, **fields).text
    assert DeadEvent.objects.count() == 1


def test_it_warns_of_a_flood_on_every_page_until_it_is_dealt_with(
    browser: Client, project: Project, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRESHET_INBOX_LIMIT", "5")
    deliver(log, project, *[b"{"] * 40)
    for name in ("overview", "inbox", "models"):
        assert "More bad messages arrive" in page_of(browser, name, project.slug).text
    assert "20 of 5" in page_of(browser, "inbox", project.slug).text
    act(browser, project, act="discard:group", reason="not_json", field="(record)")
    assert "More bad messages arrive" not in page_of(browser, "overview", project.slug).text


def test_it_shows_events_with_odd_contents(browser: Client, project: Project, log: EventLog) -> None:
    odd = [b"\xff\x00", b'{"a": "' + b"x" * 9000 + b'"}', click("e\x00"), click("</pre><script>", x=1)]
    deliver(log, project, *odd, at_ms=NOW_MS)
    for row in DeadEvent.objects.all():
        page_of(browser, "dead_event", project.slug, row.pk)
    page_of(browser, "dead_events", project.slug, reason="a\ud7ffb", field="%&")
    assert browser.get(reverse("dead_events", args=[project.slug]), {"cursor": "!"}).status_code == 400
