"""Insights on their page: found by the job, said with what to do, dismissed, and back when they are worse. And the page of events."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from engine.streams.log import EventLog
from tests.webapp.console.page import Page
from webapp.accounts.models import Account, Project
from webapp.catalog.services import events_ingest, items_put
from webapp.insights.counting import events_count
from webapp.insights.models import Insight
from webapp.insights.selectors import insights_open
from webapp.insights.services import insights_compute, insights_due
from webapp.registry.services import schema_publish


@pytest.fixture
def shop(project: Project, log: EventLog) -> Project:
    """Fifty items, of which events are about thirty-one."""
    schema_publish(project=project, document={"events": {"click": {"role": "action"}}})
    items_put(project=project, rows=[{"id": f"i{number:02}"} for number in range(50)])
    rows = [{"type": "click", "user_id": f"u{number}", "item_id": f"i{number:02}"} for number in range(31)]
    events_ingest(project=project, rows=rows, source="test")
    events_count(project=project)
    return project


def page(browser: Client, project: Project, name: str, **query: str) -> Page:
    return Page(browser.get(reverse(name, args=[project.slug]), query).content.decode())


def test_it_says_what_was_found_what_it_means_and_what_to_do(browser: Client, shop: Project) -> None:
    assert "has not been looked at yet" in page(browser, shop, "insights").text
    assert shop in insights_due()
    insights_compute(project=shop)
    assert shop not in insights_due()
    shown = page(browser, shop, "insights")
    assert "38 % of items have no events, such as i" in shown.text
    assert "Let some exploration show them" in shown.text
    assert "sample of 31 events" in shown.text
    assert shown.all("a", href=reverse("items", args=[shop.slug]), class_="button tiny")


def test_it_lets_a_dismissed_one_rest_until_it_is_much_worse(browser: Client, shop: Project, account: Account) -> None:
    insights_compute(project=shop)
    (one,) = Insight.objects.all()
    act = reverse("insights_act", args=[shop.slug])
    browser.post(act, {"act": f"dismiss:{one.pk}"})
    insights_compute(project=shop)
    assert insights_open(project=shop) == []
    assert "1 dismissed" in page(browser, shop, "insights").text
    items_put(project=shop, rows=[{"id": f"more{number}"} for number in range(100)])
    insights_compute(project=shop)
    assert [found.title[:4] for found in insights_open(project=shop)] == ["79 %"]
    browser.post(act, {"act": f"dismiss:{one.pk}"})
    browser.post(act, {"act": f"restore:{one.pk}"})
    assert len(insights_open(project=shop)) == 1


def test_it_forgets_what_no_longer_holds(shop: Project) -> None:
    insights_compute(project=shop)
    rows = [{"type": "click", "user_id": "u", "item_id": f"i{number:02}"} for number in range(50)]
    events_ingest(project=shop, rows=rows, source="test")
    events_count(project=shop)
    insights_compute(project=shop)
    assert not Insight.objects.exists()


def test_another_projects_insight_cannot_be_dismissed(browser: Client, shop: Project, other_project: Project) -> None:
    insights_compute(project=shop)
    Insight.objects.update(project=other_project)
    answer = browser.post(reverse("insights_act", args=[shop.slug]), {"act": f"dismiss:{Insight.objects.get().pk}"})
    assert answer.status_code == 404
    assert Insight.objects.get().dismissed_at is None


def test_it_shows_events_by_type_over_time(browser: Client, shop: Project) -> None:
    shown = page(browser, shop, "events")
    assert "Events by type, last hour, in events" in shown.text
    assert "Last hour 31 events" in shown.text
    for period in ("day", "week", "nonsense"):
        assert browser.get(reverse("events", args=[shop.slug]), {"period": period}).status_code == 200
    week = page(browser, shop, "events", period="week")
    assert week.all("a", href="?period=week", **{"aria-current": "true"})
