"""A recommendation looked at: found by its id, shown as it was logged, run again, and a user asked for now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from engine.serving.requests import RecommendReply, ScoredItem
from engine.spec.event import Event, ShownItem
from engine.spec.schema import EventRole
from engine.spec.served import Served, ServedModel
from engine.streams import topics
from engine.streams.log import EventLog, Record
from tests.webapp.client import DEFINITION
from tests.webapp.console.page import Page
from tests.webapp.replica_server import REPLY, Answers, served
from webapp.accounts.models import Project
from webapp.core.remembered import forget_everything
from webapp.experiments.feedback_taking import feedback_take
from webapp.experiments.models import ShownLately
from webapp.inspecting import finding
from webapp.inspecting.explained import explained_of
from webapp.inspecting.finding import Found, recommendation_find
from webapp.registry.services import model_publish
from webapp.serving.services import deployment_put, replica_report

NOW_MS = 1_770_000_000_000
FEATURES = {
    "user": {"country": "de"},
    "history": ["oil"],
    "history_types": ["click"],
    "history_times_ms": [NOW_MS - 60_000],
    "time_ms": NOW_MS,
    "items": {"tea": {"title": "Green tea"}, "jam": {}},
}
BY = Served(
    "main",
    1,
    ("two_tower", "latest"),
    (1.0, 0.25),
    models=(ServedModel("retrieval", "retrieval", 1, 41, 0.5),),
    degraded="empty_user",
    replica="replica-1",
    asked={"ask": "recommend", "k": 2, "num_excluded": 3},
)


def impression(recommendation_id: str, user_id: str = "ana", at_ms: int = NOW_MS, by: Served | None = BY) -> Event:
    shown = (ShownItem("tea", 0, 0.9), ShownItem("jam", 1, 0.4))
    return Event(
        f"e-{recommendation_id}", "impression", EventRole.IMPRESSION, user_id, None, at_ms, at_ms,
        recommendation_id, shown, features=FEATURES, served=by,
    )  # fmt: skip


def click(recommendation_id: str, item_id: str, at_ms: int) -> Event:
    return Event(
        f"c-{recommendation_id}-{item_id}", "click", EventRole.ACTION, "ana", item_id, at_ms, at_ms, recommendation_id
    )


def write(log: EventLog, project: Project, *events: Event) -> None:
    log.create_topic(topics.events(project.slug))
    records = [Record(event.user_id, event.to_bytes(), event.received_ms) for event in events]
    log.append(topics.events(project.slug), records)


def find(project: Project, recommendation_id: str, near_ms: int | None = None) -> Found | None:
    return recommendation_find(project=project, recommendation_id=recommendation_id, near_ms=near_ms)


def told(found: Found | None) -> list[tuple[str, str, int, int]]:
    assert found is not None
    return [(one.type, one.item_id, one.place, one.time_ms - NOW_MS) for one in found.followed]


def test_it_is_found_by_its_id_with_what_followed_and_when(log: EventLog, project: Project) -> None:
    write(log, project, impression("r1"), impression("r2"), click("r1", "jam", NOW_MS + 2_000))
    feedback_take(project=project, now_ms=lambda: NOW_MS + 10_000)
    known = ShownLately.objects.order_by("offset")
    assert [(one.partition, one.offset) for one in known] == [(0, 0), (0, 1)]
    write(log, project, click("r1", "tea", NOW_MS + 5_000), click("r1", "tea", NOW_MS + 6_000))
    feedback_take(project=project, now_ms=lambda: NOW_MS + 10_000)
    found = find(project, "r1")
    assert found is not None and (found.offset, found.is_shown, found.follows_all) == (0, True, True)
    assert told(found) == [("click", "jam", 2, 2_000), ("click", "tea", 1, 5_000)], "each item and type once"
    assert [one.event_id for one in found.followed] == ["c-r1-jam", "c-r1-tea"]
    second = find(project, "r2")
    assert second is not None and (second.offset, told(second)) == (1, [])


def test_it_is_found_before_it_is_counted_and_when_its_place_was_not_kept(log: EventLog, project: Project) -> None:
    write(log, project, impression("r1"), click("r1", "jam", NOW_MS + 2_000))
    uncounted = find(project, "r1")
    assert uncounted is not None and uncounted.follows_all is False
    assert told(uncounted) == [("click", "jam", 2, 2_000)]
    feedback_take(project=project, now_ms=lambda: NOW_MS + 10_000)
    ShownLately.objects.update(partition=None, offset=None, followed=None)
    assert told(find(project, "r1")) == [("click", "jam", 2, 2_000)]


def test_it_looks_at_few_events_and_takes_a_hint_about_the_time(
    log: EventLog, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "NEWEST_LOOKED_AT", 2)
    write(log, project, impression("r1"), *(impression(f"x{n}", at_ms=NOW_MS + 100_000 + n) for n in range(3)))
    assert find(project, "r1") is None
    assert find(project, "r1", near_ms=NOW_MS + 30_000) is not None
    assert find(project, "nobody\x00s") is None


def test_it_shows_what_was_logged_as_the_truth(
    browser: Client, project: Project, other_project: Project, log: EventLog
) -> None:
    version = model_publish(project=project, name="retrieval", document=DEFINITION)
    deployment_put(project=project, name="main", retrieval=version, ranking=None)
    write(log, project, impression("r1"), click("r1", "jam", NOW_MS + 2_000))
    feedback_take(project=project, now_ms=lambda: NOW_MS + 10_000)
    page = Page(browser.get(reverse("inspector", args=[project.slug]), {"recommendation_id": "r1"}).content.decode())
    assert page.unlabelled == [] and page.inline_scripts == []
    for said in (
        "Green tea",
        "two_tower",
        "0.25",
        "2.0 s later",
        "empty_user",
        "replica-1",
        "retrieval v1",
        "41",
        "still served",
    ):
        assert said in page.text, said
    assert any("event_id=c-r1-jam" in (link["href"] or "") for link in page.all("a"))
    missing = browser.get(reverse("inspector", args=[project.slug]), {"recommendation_id": "r9"})
    assert missing.status_code == 404 and "was found" in Page(missing.content.decode()).text
    assert browser.get(reverse("inspector", args=[other_project.slug])).status_code == 404


def test_it_says_at_most_how_new_parameters_were_where_the_impression_does_not(
    browser: Client, project: Project, log: EventLog
) -> None:
    version = model_publish(project=project, name="retrieval", document=DEFINITION)
    deployment_put(project=project, name="main", retrieval=version, ranking=None)
    write(log, project, impression("r1", by=Served("main", 1, ("latest", "latest"), (1.0, 1.0))))
    page = Page(browser.get(reverse("inspector", args=[project.slug]), {"recommendation_id": "r1"}).content.decode())
    assert "does not say its parameters" in page.text and "retrieval v1" in page.text


EXPLAINED: dict[str, Any] = {
    "num_found": 9, "num_merged": 6, "num_ranked": 6, "num_candidates": 5,
    "sources": [{"name": "two_tower", "quota": 200, "num_found": 6, "took_ms": 0.5}],
    "stages": [{"stage": "retrieval", "took_ms": 1.0}],
    "num_dropped": [
        {"stage": "reranking", "why": "others_scored_higher", "num": 300},
        {"stage": "retrieval", "why": "seen", "num": 2},
    ],
    "dropped": [{"item_id": "oil", "stage": "retrieval", "why": "seen"}],
    "items": [
        {
            "item_id": "tea", "sources": [{"name": "two_tower", "rank": 3, "score": 0.1}], "tasks": {"click": 0.4},
            "scores": {"retrieval": 0.1, "model": 0.4}, "ranks": {"retrieval": 3, "model": 1}, "rules": [],
            "contributions": {"user": 0.2, "price": -0.1, "hour": 0.0},
        }
    ],
}  # fmt: skip


def explained(**more: Any) -> RecommendReply:
    items = [ScoredItem("tea", 0.4, "two_tower")]
    return replace(REPLY, items=items, explanation_json=orjson.dumps({**EXPLAINED, **more}))


def test_it_lays_out_the_funnel_and_what_a_score_is_made_of() -> None:
    laid = explained_of(explained())
    assert [(step.label, step.num, step.width) for step in laid.steps] == [
        ("Found", 9, 100.0),
        ("Merged", 6, 66.7),
        ("Ranked", 6, 66.7),
        ("Candidates", 5, 55.6),
        ("Answered", 1, 11.1),
    ]
    assert [(one.why, one.num, list(one.item_ids), one.num_unnamed) for one in laid.dropped] == [
        ("the user acted on it before", 2, ["oil"], 1),
        ("others scored higher", 300, [], 300),
    ]
    bars = [(one.name, one.x, one.width, one.side) for one in laid.items[0].contributions]
    assert bars == [("user", 50.0, 50.0, "more"), ("price", 25.0, 25.0, "less"), ("hour", 50.0, 0.0, "more")]


@pytest.fixture
def answers(project: Project) -> Iterator[Answers]:
    version = model_publish(project=project, name="retrieval", document=DEFINITION)
    for name in ("main", "next"):
        deployment_put(project=project, name=name, retrieval=version, ranking=None)
    one = Answers(reply=explained())
    with served(one) as address:
        replica_report(name="replica-1", address=address, started_at=timezone.now(), positions=[])
        forget_everything()
        yield one


def test_it_runs_a_past_request_again_as_of_then_and_says_so(
    browser: Client, project: Project, log: EventLog, answers: Answers
) -> None:
    write(log, project, impression("r1"))
    address = reverse("inspector", args=[project.slug])
    page = Page(browser.get(address, {"recommendation_id": "r1", "rerun": "1"}).content.decode())
    assert "run again now" in page.text and "computed now" in page.text
    assert "1 of 2 places are as they were" in page.text
    (asked,) = answers.evaluations
    assert asked.as_of is not None
    assert (asked.as_of.history, asked.as_of.user, asked.as_of.time_ms) == (("oil",), {"country": "de"}, NOW_MS)
    assert asked.document is not None and asked.about == ("tea", "jam")
    part = browser.get(address, {"recommendation_id": "r1", "part": "rerun"}).content.decode()
    assert part.lstrip().startswith('<div id="rerun"')


def test_it_asks_for_a_user_and_compares_with_another_deployment(
    browser: Client, project: Project, log: EventLog, answers: Answers
) -> None:
    address = reverse("inspector", args=[project.slug])
    page = Page(browser.get(address, {"user_id": "ana", "against": "next", "k": "5"}).content.decode())
    assert "The funnel" in page.text and "Side by side" in page.text
    assert [(one.request.user_id, one.request.deployment, one.request.k) for one in answers.evaluations] == [
        ("ana", "main", 5),
        ("ana", "next", 5),
    ]
    assert page.unlabelled == []
    answers.reply = None
    assert "cannot be reached" in Page(browser.get(address, {"user_id": "ana"}).content.decode()).text
    assert log.end_offsets(topics.events(project.slug)) == {0: 0}, "nothing is logged"
