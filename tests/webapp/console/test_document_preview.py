"""A draft of a deployment's document beside what is served: on the page, against a replica that speaks the real protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from engine.errors import Problem
from engine.serving.requests import Count, CountReply, RecommendReply, ScoredItem
from engine.streams import topics
from engine.streams.log import EventLog
from tests.webapp.client import DEFINITION
from tests.webapp.console.page import Page
from tests.webapp.replica_server import REPLY, Answers, served
from webapp.accounts.models import Account, Membership, Project, Role
from webapp.accounts.services import DEFAULT_SCHEMA
from webapp.audit.models import AuditEntry
from webapp.core.remembered import forget_everything
from webapp.registry.services import model_publish, schema_publish
from webapp.serving.deployment_selectors import deployment_get
from webapp.serving.preview_comparing import compared
from webapp.serving.services import deployment_put, replica_report


def reply(*item_ids: str, **explanation: Any) -> RecommendReply:
    items = [ScoredItem(item_id, 1.0 - place / 10, "two_tower") for place, item_id in enumerate(item_ids)]
    return replace(REPLY, items=items, explanation_json=orjson.dumps(explanation))


NOW = reply("tea", "jam", "oil", dropped=[{"item_id": "ale", "stage": "reranking", "why": "others_scored_higher"}])
DRAFT = reply(
    "ale",
    "tea",
    "jam",
    items=[{"item_id": "ale", "rules": [{"stage": "promotions", "why": "ours puts it into place 1"}]}],
    dropped=[{"item_id": "oil", "stage": "retrieval", "why": "filter"}],
)


def test_it_says_of_every_item_what_became_of_it_and_why() -> None:
    found = compared(NOW, DRAFT)
    assert [(one.after.item_id, one.after.move) for one in found.rows if one.after] == [
        ("ale", None),
        ("tea", -1),
        ("jam", -1),
    ]
    assert found.rows[0].after and found.rows[0].after.why == "ours puts it into place 1; before: others scored higher"
    assert found.rows[1].after and found.rows[1].after.why == "others moved"
    assert [(one.item_id, one.place, one.why) for one in found.gone] == [
        ("oil", 3, "the deployment's filter does not hold")
    ]
    assert (found.num_new, found.num_moved, found.is_same) == (1, 2, False)
    assert compared(NOW, NOW).is_same


def test_it_tells_which_step_moved_an_item() -> None:
    boosted = {"item_id": "jam", "rules": [{"stage": "boosts", "why": "boost 1: x 2 + 0"}], "scores": {"model": 0.4}}
    plain = {"item_id": "tea", "rules": [], "scores": {"model": 0.4}}
    before = reply("tea", "jam", items=[plain, {**boosted, "rules": []}])
    after = reply("jam", "tea", items=[boosted, {**plain, "scores": {"model": 0.3}}])
    whys = [row.after.why for row in compared(before, after).rows if row.after]
    assert whys == ["boost 1: x 2 + 0", "score 0.4 → 0.3"]
    back = [row.after.why for row in compared(after, before).rows if row.after]
    assert back == ["score 0.3 → 0.4", "no longer: boost 1: x 2 + 0"]


@pytest.fixture
def answers(project: Project) -> Iterator[Answers]:
    items = {"category": {"type": "string"}, "price": {"type": "float"}}
    schema_publish(project=project, document={**DEFAULT_SCHEMA, "items": items})
    version = model_publish(project=project, name="retrieval", document=DEFINITION)
    deployment_put(project=project, name="main", retrieval=version, ranking=None)
    one = Answers(reply=NOW, drafted=DRAFT, counts=CountReply(40, (Count(10), Count(0))))
    with served(one) as address:
        replica_report(name="replica-1", address=address, started_at=timezone.now(), positions=[])
        forget_everything()
        yield one


def post(browser: Client, project: Project, **posted: str) -> str:
    response = browser.post(reverse("deployment_preview", args=[project.slug, "main"]), posted)
    assert response.status_code == 200
    return response.content.decode()


def test_it_lays_the_draft_beside_what_is_served_and_leaves_no_trace(
    browser: Client, project: Project, answers: Answers, log: EventLog
) -> None:
    html = post(
        browser,
        project,
        **{"whole.filter": "item.price < 9", "preview_user": "ana", "preview_k": "3", "sources.latest": "5"},
    )
    text = Page(html).text
    assert "1 new 2 moved 1 gone" in text
    assert "ours puts it into place 1; before: others scored higher" in text
    assert "was 3: the deployment's filter does not hold" in text
    assert "Holds for 10 of 40 items" in text
    drafted, served_now = answers.evaluations[:2]
    assert drafted.document is not None and drafted.document["filter"] == "item.price < 9"
    assert (drafted.request.user_id, drafted.request.k, drafted.request.explain) == ("ana", 3, True)
    assert served_now.document is None and served_now.about == ("ale", "tea", "jam")
    assert deployment_get(project=project, name="main").revision == 1
    assert log.end_offsets(topics.events(project.slug)) == {0: 0}, "nothing is logged"


def test_it_shows_where_an_expression_breaks_and_asks_nobody(
    browser: Client, project: Project, answers: Answers
) -> None:
    html = post(browser, project, **{"whole.filter": "item.price < 9 and item.prize = 1", "sources.latest": "5"})
    text = Page(html).text
    assert "At character 20" in text and "declared: " in text
    assert "<mark>item.prize</mark>" in html
    assert "nothing is compared" in text
    assert answers.evaluations == []


def test_it_says_which_parameter_an_expression_lacks(browser: Client, project: Project, answers: Answers) -> None:
    wanting = Problem("parameters.max", "is needed by an expression, as a number", "nothing")
    answers.counts = CountReply(40, (Count(None, (wanting,)),))
    html = post(browser, project, **{"whole.filter": "item.price < $max", "sources.latest": "5"})
    assert "parameters.max is needed by an expression, as a number" in Page(html).text


def test_it_tries_an_anonymous_session(browser: Client, project: Project, answers: Answers) -> None:
    post(browser, project, **{"preview_user": "", "preview_session": "tea, jam ,", "sources.latest": "5"})
    request = answers.evaluations[0].request
    assert (request.user_id, [one.item_id for one in request.session]) == ("", ["tea", "jam"])


def test_it_says_that_no_replica_answers(browser: Client, project: Project, answers: Answers) -> None:
    answers.reply = answers.drafted = None
    assert "cannot be reached" in Page(post(browser, project, **{"sources.latest": "5"})).text


def test_it_previews_json_and_by_a_button_without_javascript(
    browser: Client, project: Project, answers: Answers
) -> None:
    page = reverse("deployment_document", args=[project.slug, "main"])
    html = browser.get(page).content.decode()
    assert Page(html).unlabelled == []
    assert "item.price" in Page(html).text, "the names that one may use"
    by_button = browser.post(page, {"whole.filter": "item.price < 9", "sources.latest": "5", "action": "preview"})
    assert "1 new 2 moved 1 gone" in Page(by_button.content.decode()).text
    as_json = browser.post(page, {"document": '{"filter": "item.price < 9"}', "action": "preview"})
    assert "1 new 2 moved 1 gone" in Page(as_json.content.decode()).text
    assert "is not JSON" in Page(post(browser, project, document="{")).text


def test_a_viewer_drafts_and_previews_and_cannot_save(browser: Client, project: Project, answers: Answers) -> None:
    Membership.objects.filter(project=project).update(role=Role.VIEWER)
    page = reverse("deployment_document", args=[project.slug, "main"])
    assert "Try another document" in browser.get(reverse("deployment", args=[project.slug, "main"])).content.decode()
    html = browser.get(page).content.decode()
    assert "nothing is saved" in html
    assert [one for one in Page(html).all("button", name="action") if one["value"] == "save"] == []
    assert "1 new 2 moved 1 gone" in Page(post(browser, project, **{"sources.latest": "5"})).text
    draft = {"whole.filter": "item.price < 9", "sources.latest": "5"}
    for action in ("preview", "add:boosts", "as_text"):
        answer = browser.post(page, draft | {"action": action})
        assert answer.status_code == 200, action
        assert "item.price" in answer.content.decode()
    as_json = {"document": '{"filter": "item.price < 9"}'}
    for action in ("preview", "as_form"):
        assert browser.post(page, as_json | {"action": action}).status_code == 200
    for wrong in (
        draft,
        draft | {"action": "save"},
        as_json,
        as_json | {"action": "save"},
        as_json | {"action": "no such"},
    ):
        refused = browser.post(page, wrong)
        assert refused.status_code == 403
        assert "This takes an editor" in refused.content.decode()
    assert deployment_get(project=project, name="main").revision == 1
    assert not AuditEntry.objects.filter(project=project, action__startswith="deployment", actor_kind="person").exists()


def test_a_preview_needs_its_token(project: Project, answers: Answers, account: Account) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(account)
    for name in ("deployment_preview", "deployment_document"):
        address = reverse(name, args=[project.slug, "main"])
        assert careful.post(address, {"sources.latest": "5", "action": "preview"}).status_code == 403
    assert answers.evaluations == []


def test_it_belongs_to_members(browser: Client, other_project: Project, answers: Answers) -> None:
    response = browser.post(reverse("deployment_preview", args=[other_project.slug, "main"]), {})
    assert response.status_code == 404
