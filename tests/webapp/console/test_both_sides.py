"""The form and the JSON beside it: each follows the other, nothing typed is lost, problems at the field and at the line; with and without
a script."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from engine.spec.definition import ModelDefinition
from tests.webapp.console.full_definition import FULL_RANKING
from tests.webapp.console.page import Page
from webapp.accounts.models import Project
from webapp.registry.architecture_titles import ABOUT
from webapp.registry.definition_form import document_from_form
from webapp.registry.definition_page import controls_of, form_context, posted_by
from webapp.registry.models import ModelVersion
from webapp.registry.selectors import schema_document
from webapp.registry.services import model_publish

AREA = re.compile(r'<textarea name="(document|document_was)"[^>]*>\n?(.*?)</textarea>', re.DOTALL)


class Shown:
    """A page's form as a browser has it: what it would post, and what a person may change."""

    def __init__(self, html: str, project: Project) -> None:
        from html import unescape

        self.page = Page(html)
        self.areas = {name: unescape(text) for name, text in AREA.findall(html)}
        self.form_was = self.page.value_of("form_was")
        self._project = project

    def posted(self, document: dict[str, Any], /, **changes: str) -> dict[str, str]:
        """The controls of a document, the JSON side and what the page remembers; `changes` are typed over them."""
        controls = posted_by(form_context(document, [], schema_document(project=self._project)))
        return {**controls, **self.areas, "form_was": str(self.form_was), "name": "ranker", **changes}


@pytest.fixture
def shown(browser: Client, project: Project) -> Shown:
    model_publish(project=project, name="ranker", document=FULL_RANKING)
    return open_page(browser, project)


def open_page(browser: Client, project: Project) -> Shown:
    answer = browser.get(reverse("model_edit", args=[project.slug, "ranker"]))
    assert answer.status_code == 200
    return Shown(answer.content.decode(), project)


def preview(browser: Client, project: Project, posted: dict[str, str]) -> str:
    answer = browser.post(reverse("model_preview", args=[project.slug]), posted)
    assert answer.status_code == 200
    return answer.content.decode()


def publish(browser: Client, project: Project, posted: dict[str, str], action: str = "publish") -> Any:
    return browser.post(reverse("model_edit", args=[project.slug, "ranker"]), posted | {"action": action})


def newest() -> dict[str, Any]:
    document: dict[str, Any] = ModelVersion.objects.order_by("-version")[0].document
    return document


def test_it_posts_back_what_it_shows(shown: Shown, project: Project) -> None:
    """What a browser would post of the page is the document that it was made of, so that the server knows an untouched form."""
    controls = posted_by(form_context(FULL_RANKING, [], schema_document(project=project)))
    assert ModelDefinition.parse(document_from_form(controls)) == ModelDefinition.parse(FULL_RANKING)
    assert ModelDefinition.parse(json.loads(shown.areas["document"])) == ModelDefinition.parse(FULL_RANKING)
    assert shown.areas["document"] == shown.areas["document_was"]
    assert shown.page.unlabelled == []


def test_it_writes_the_json_that_the_form_says(shown: Shown, browser: Client, project: Project) -> None:
    html = preview(
        browser, project, shown.posted(FULL_RANKING, **{"slots.0.dim": "12", "slots.1.dim": "12", "slots.2.dim": "12"})
    )
    assert 'id="json" hx-swap-oob="true"' in html
    assert 'id="fields"' not in html
    assert html.count("&quot;dim&quot;: 12") == 6  # as it is, and as it was


def test_it_fills_the_form_that_the_json_says(shown: Shown, browser: Client, project: Project) -> None:
    typed = shown.areas["document"].replace('"hidden": [48, 24, 12]', '"hidden": [96]')
    html = preview(browser, project, shown.posted(FULL_RANKING, document=typed))
    assert 'id="fields" hx-swap-oob="true"' in html
    assert 'id="json"' not in html
    page = Page(html)
    assert page.value_of("architecture.deepfm.hidden") == "96"
    assert page.value_of("form_was") != shown.form_was


def test_it_touches_neither_side_while_the_json_is_none_and_says_the_line(
    shown: Shown, browser: Client, project: Project
) -> None:
    typed = shown.areas["document"].replace('"slots": [', '"slots": [,', 1)
    html = preview(browser, project, shown.posted(FULL_RANKING, document=typed))
    assert 'id="fields"' not in html and 'id="json"' not in html and 'id="memory"' not in html
    line = typed[: typed.index("[,")].count("\n") + 1
    assert f'data-line="{line}"' in html
    assert "is not JSON" in html


def test_it_loses_neither_side_when_both_were_changed(shown: Shown, browser: Client, project: Project) -> None:
    typed = shown.areas["document"].replace("[48, 24, 12]", "[96]")
    posted = shown.posted(FULL_RANKING, document=typed, **{"training.batch_size": "77"})
    html = preview(browser, project, posted)
    assert "were both changed" in html
    assert 'id="fields"' not in html and 'id="json"' not in html
    refused = publish(browser, project, posted)
    assert refused.status_code == 400
    page = Shown(refused.content.decode(), project)
    assert page.page.value_of("training.batch_size") == "77"
    assert "[96]" in page.areas["document"]
    assert ModelVersion.objects.count() == 1
    by_form = publish(browser, project, posted, "refresh")
    assert "[96]" not in Shown(by_form.content.decode(), project).areas["document"]
    by_text = publish(browser, project, posted, "as_form")
    assert Shown(by_text.content.decode(), project).page.value_of("training.batch_size") == "64"


@pytest.mark.parametrize("side", ["form", "text"])
def test_it_publishes_the_side_that_was_changed_without_a_script(
    shown: Shown, browser: Client, project: Project, side: str
) -> None:
    if side == "form":
        posted = shown.posted(FULL_RANKING, **{"training.batch_size": "77"})
    else:
        text = shown.areas["document"].replace('"batch_size": 64', '"batch_size": 77').replace("\n", "\r\n")
        posted = shown.posted(FULL_RANKING, document=text)
    assert publish(browser, project, posted).status_code == 302
    assert newest()["training"]["batch_size"] == 77


def test_it_says_problems_at_the_control_and_at_the_line(shown: Shown, browser: Client, project: Project) -> None:
    html = preview(browser, project, shown.posted(FULL_RANKING, **{"slots.1.dim": "wide", "tasks.0.weight": "-1"}))
    found = dict(re.findall(r'data-line="(\d+)" data-control="([^"]+)"', html))
    text = {name: json.loads(json.dumps(body)) for name, body in Shown(html, project).areas.items()}["document"].split(
        "\n"
    )
    assert set(found.values()) == {"slots.1.dim", "tasks.0.weight"}
    by_control = {control: text[int(line) - 1] for line, control in found.items()}
    assert '"wide"' in by_control["slots.1.dim"]
    assert "-1" in by_control["tasks.0.weight"]
    assert html.count('<li class="bad"></li>') == 2


def test_it_keeps_broken_json_and_the_form_when_publishing(shown: Shown, browser: Client, project: Project) -> None:
    posted = shown.posted(FULL_RANKING, document='{"slots": ')
    answer = publish(browser, project, posted)
    assert answer.status_code == 400
    page = Shown(answer.content.decode(), project)
    assert page.areas["document"] == '{"slots": '
    assert page.page.value_of("slots.0.name") == "user_id"


def test_it_proposes_slots_for_the_chosen_architecture(shown: Shown, browser: Client, project: Project) -> None:
    posted = shown.posted(FULL_RANKING, **{"architecture.kind": "din"})
    page = Shown(publish(browser, project, posted, "propose").content.decode(), project)
    assert json.loads(page.areas["document"])["architecture"] == {"kind": "din"}
    assert '"pooling": "sequence"' in page.areas["document"]


def test_it_takes_up_what_the_schema_offers(shown: Shown, browser: Client, project: Project) -> None:
    without = {**FULL_RANKING, "slots": [FULL_RANKING["slots"][1]], "features": [], "architecture": {"kind": "fm"}}
    posted = posted_by(form_context(without, [], schema_document(project=project)))
    answer = browser.post(reverse("model_edit", args=[project.slug, "ranker"]), posted | {"action": "use:user.id"})
    page = Page(answer.content.decode())
    assert page.value_of("slots.1.name") == "user_id"
    assert page.value_of("slots.1.number") == "10"
    unknown = browser.post(
        reverse("model_edit", args=[project.slug, "ranker"]), posted | {"action": "use:item.nothing"}
    )
    assert Page(unknown.content.decode()).value_of("slots.1.name") is None


def test_it_says_what_every_control_is_and_its_default(project: Project) -> None:
    for kind in ABOUT:
        context = form_context({**FULL_RANKING, "architecture": {"kind": kind}}, [], schema_document(project=project))
        without = {
            c.path for c in controls_of(context) if not c.help and c.label not in ("Kind", "Optimizer", "Ranked by")
        }
        assert without == set()
        batch = next(control for control in controls_of(context) if control.path == "training.batch_size")
        assert (batch.default, batch.is_changed) == ("512", True)


def test_it_starts_from_a_purpose(browser: Client, project: Project) -> None:
    text = Page(browser.get(reverse("model_start", args=[project.slug])).content.decode()).text
    assert "Retrieval: find items" in text and "Ranking: order what was found" in text
    assert text.count("recommended") == 2
    for about in ABOUT.values():
        assert about.title in text and about.choose in text


def test_it_draws_and_estimates_what_is_being_written(shown: Shown, browser: Client, project: Project) -> None:
    html = preview(browser, project, shown.posted(FULL_RANKING, **{"architecture.deepfm.hidden": "7"}))
    assert 'id="outlook"' in html
    assert "24 → 7" in html
    broken = preview(browser, project, shown.posted(FULL_RANKING, **{"architecture.deepfm.hidden": "none"}))
    assert 'id="outlook"' not in broken
