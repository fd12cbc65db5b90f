"""The form and the JSON beside it: each follows the other, nothing typed is lost, problems at the field and at the line; with and without
a script."""

from __future__ import annotations

import json
import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from engine.spec.definition import ModelDefinition
from tests.webapp.console.full_definition import FULL_RANKING
from tests.webapp.console.page import Page
from webapp.accounts.models import Project
from webapp.registry.architecture_titles import ABOUT
from webapp.registry.both_sides import Changed, read_both
from webapp.registry.definition_form import document_from_form
from webapp.registry.definition_page import controls_of, form_context, posted_by
from webapp.registry.models import ModelVersion
from webapp.registry.selectors import schema_document
from webapp.registry.services import model_publish

AREA = re.compile(r'<textarea name="(document|document_was)"[^>]*>\n?(.*?)</textarea>', re.DOTALL)


class Posting(HTMLParser):
    """What a browser posts of a page's form when nothing is touched: inputs, ticked boxes, chosen options or the first, and texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.posted: dict[str, str] = {}
        self._select = self._area = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in given or self._select not in self.posted):
            self.posted[self._select] = value
        elif tag == "textarea":
            self._area = name
        elif tag == "input" and name and (given.get("type") not in ("checkbox", "radio") or "checked" in given):
            self.posted[name] = value

    def handle_endtag(self, tag: str) -> None:
        self._select = "" if tag == "select" else self._select
        self._area = "" if tag == "textarea" else self._area

    def handle_data(self, data: str) -> None:
        if self._area:
            self.posted[self._area] = self.posted.get(self._area, "") + data


class Shown:
    """A page's form as a browser has it: what it would post, and what a person may change."""

    def __init__(self, html: str) -> None:
        self.page = Page(html)
        self.areas = {name: unescape(text) for name, text in AREA.findall(html)}
        self.form_was = self.page.value_of("form_was")
        self._untouched = Posting(html).posted

    def posted(self, **changes: str) -> dict[str, str]:
        """What is typed over what the page shows."""
        return self._untouched | self.areas | {"name": "ranker"} | changes


@pytest.fixture
def shown(browser: Client, project: Project) -> Shown:
    model_publish(project=project, name="ranker", document=FULL_RANKING)
    return open_page(browser, project)


def open_page(browser: Client, project: Project) -> Shown:
    answer = browser.get(reverse("model_edit", args=[project.slug, "ranker"]))
    assert answer.status_code == 200
    return Shown(answer.content.decode())


def preview(browser: Client, project: Project, posted: dict[str, str]) -> str:
    answer = browser.post(reverse("model_preview", args=[project.slug]), posted)
    assert answer.status_code == 200
    return answer.content.decode()


def publish(browser: Client, project: Project, posted: dict[str, str], action: str = "publish") -> Any:
    return browser.post(reverse("model_edit", args=[project.slug, "ranker"]), posted | {"action": action})


def newest() -> dict[str, Any]:
    document: dict[str, Any] = ModelVersion.objects.order_by("-version")[0].document
    return document


def test_it_posts_back_what_it_shows(shown: Shown, browser: Client, project: Project) -> None:
    """What a browser would post of the page is the document that it was made of, so that the server knows an untouched form."""
    controls = shown.posted()
    assert read_both(controls).changed is Changed.NEITHER
    fresh = browser.get(reverse("model_new", args=[project.slug])).content.decode()
    assert read_both(Shown(fresh).posted()).changed is Changed.NEITHER
    assert ModelDefinition.parse(document_from_form(controls)) == ModelDefinition.parse(FULL_RANKING)
    assert ModelDefinition.parse(json.loads(shown.areas["document"])) == ModelDefinition.parse(FULL_RANKING)
    assert shown.areas["document"] == shown.areas["document_was"]
    assert shown.page.unlabelled == []


def test_it_writes_the_json_that_the_form_says(shown: Shown, browser: Client, project: Project) -> None:
    html = preview(browser, project, shown.posted(**{"slots.0.dim": "12", "slots.1.dim": "12", "slots.2.dim": "12"}))
    assert 'id="json" hx-swap-oob="true"' in html
    assert 'id="fields"' not in html
    assert html.count("&quot;dim&quot;: 12") == 6  # as it is, and as it was


def test_it_fills_the_form_that_the_json_says(shown: Shown, browser: Client, project: Project) -> None:
    typed = shown.areas["document"].replace('"hidden": [48, 24, 12]', '"hidden": [96]')
    html = preview(browser, project, shown.posted(document=typed))
    assert 'id="fields" hx-swap-oob="true"' in html
    assert 'id="json"' not in html
    page = Page(html)
    assert page.value_of("architecture.deepfm.hidden") == "96"
    assert page.value_of("form_was") != shown.form_was


def test_it_touches_neither_side_while_the_json_is_none_and_says_the_line(
    shown: Shown, browser: Client, project: Project
) -> None:
    typed = shown.areas["document"].replace('"slots": [', '"slots": [,', 1)
    html = preview(browser, project, shown.posted(document=typed))
    assert 'id="fields"' not in html and 'id="json"' not in html and 'id="memory"' not in html
    line = typed[: typed.index("[,")].count("\n") + 1
    assert f'data-line="{line}"' in html
    assert "is not JSON" in html


def test_it_loses_neither_side_when_both_were_changed(shown: Shown, browser: Client, project: Project) -> None:
    typed = shown.areas["document"].replace("[48, 24, 12]", "[96]")
    posted = shown.posted(document=typed, **{"training.batch_size": "77"})
    html = preview(browser, project, posted)
    assert "were both changed" in html
    assert 'id="fields"' not in html and 'id="json"' not in html
    refused = publish(browser, project, posted)
    assert refused.status_code == 400
    page = Shown(refused.content.decode())
    assert page.page.value_of("training.batch_size") == "77"
    assert "[96]" in page.areas["document"]
    assert ModelVersion.objects.count() == 1
    by_form = publish(browser, project, posted, "refresh")
    assert "[96]" not in Shown(by_form.content.decode()).areas["document"]
    by_text = publish(browser, project, posted, "as_form")
    assert Shown(by_text.content.decode()).page.value_of("training.batch_size") == "64"


@pytest.mark.parametrize("side", ["form", "text"])
def test_it_publishes_the_side_that_was_changed_without_a_script(
    shown: Shown, browser: Client, project: Project, side: str
) -> None:
    if side == "form":
        posted = shown.posted(**{"training.batch_size": "77"})
    else:
        text = shown.areas["document"].replace('"batch_size": 64', '"batch_size": 77').replace("\n", "\r\n")
        posted = shown.posted(document=text)
    assert publish(browser, project, posted).status_code == 302
    assert newest()["training"]["batch_size"] == 77


def test_it_says_problems_at_the_control_and_at_the_line(shown: Shown, browser: Client, project: Project) -> None:
    html = preview(browser, project, shown.posted(**{"slots.1.dim": "wide", "tasks.0.weight": "-1"}))
    found = dict(re.findall(r'data-line="(\d+)" data-control="([^"]+)"', html))
    text = {name: json.loads(json.dumps(body)) for name, body in Shown(html).areas.items()}["document"].split("\n")
    assert set(found.values()) == {"slots.1.dim", "tasks.0.weight"}
    by_control = {control: text[int(line) - 1] for line, control in found.items()}
    assert '"wide"' in by_control["slots.1.dim"]
    assert "-1" in by_control["tasks.0.weight"]
    assert html.count('<li class="bad"></li>') == 2


def test_it_keeps_broken_json_and_the_form_when_publishing(shown: Shown, browser: Client, project: Project) -> None:
    posted = shown.posted(document='{"slots": ')
    answer = publish(browser, project, posted)
    assert answer.status_code == 400
    page = Shown(answer.content.decode())
    assert page.areas["document"] == '{"slots": '
    assert page.page.value_of("slots.0.name") == "user_id"


def test_it_proposes_slots_for_the_chosen_architecture(shown: Shown, browser: Client, project: Project) -> None:
    posted = shown.posted(**{"architecture.kind": "din"})
    page = Shown(publish(browser, project, posted, "propose").content.decode())
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
    html = preview(browser, project, shown.posted(**{"architecture.deepfm.hidden": "7"}))
    assert 'id="outlook"' in html
    assert "24 → 7" in html
    broken = preview(browser, project, shown.posted(**{"architecture.deepfm.hidden": "none"}))
    assert 'id="outlook"' not in broken
